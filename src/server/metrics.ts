import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Upper bounds, in seconds. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Gauges of prom-client that are named as counters, which `promtool check metrics` refuses. */
const MISNAMED = ['handles', 'requests', 'resources'].map((name) => `nodejs_active_${name}_total`);

/** What the service is. */
export interface ServiceFacts {
  readonly version: string;
  readonly model: string;
  readonly dtype: string;
}

/** Counts what the service does, for Prometheus. No label holds anything that a client sent. */
export class Metrics {
  private readonly registry = new Registry();
  private readonly requests = this.counter('requests_total', 'Requests that were answered.', ['route', 'status']);
  private readonly images = this.counter('images_total', 'Images by result: ok, or the code of the error.', ['result']);
  private readonly reloads = this.counter('model_reloads_total', 'How often the model was loaded again.', []);
  private readonly seconds = new Histogram({
    name: 'clip_classify_request_seconds',
    help: 'Time from the headers of a request to its answer.',
    labelNames: ['route'],
    buckets: BUCKETS,
    registers: [this.registry],
  });

  /** @param queued images that wait or are being encoded; @param kept pictures whose embeddings are kept */
  constructor(
    { version, model, dtype }: ServiceFacts,
    { queued, kept }: { readonly queued: () => number; readonly kept: () => number },
  ) {
    collectDefaultMetrics({ register: this.registry });
    for (const name of MISNAMED) this.registry.removeSingleMetric(name);
    new Gauge({
      name: 'clip_classify_info',
      help: 'The version and the model; always 1.',
      labelNames: ['version', 'model', 'dtype'],
      registers: [this.registry],
    }).set({ version, model, dtype }, 1);
    this.gauge('queue_images', 'Images that wait or are being encoded.', queued);
    this.gauge('kept_pictures', 'Pictures whose embeddings are kept for /v1/classify.', kept);
  }

  request(route: string, status: number, seconds: number): void {
    this.requests.inc({ route, status: String(status) });
    this.seconds.observe({ route }, seconds);
  }

  /** @param result ok, or the code of an error */
  image(result: string): void {
    this.images.inc({ result });
  }

  reload(): void {
    this.reloads.inc();
  }

  /** In the text format of Prometheus. */
  async text(): Promise<{ readonly type: string; readonly text: string }> {
    return { type: this.registry.contentType, text: await this.registry.metrics() };
  }

  private gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name: `clip_classify_${name}`,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }

  private counter<T extends string>(name: string, help: string, labelNames: readonly T[]): Counter<T> {
    return new Counter({
      name: `clip_classify_${name}`,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
    });
  }
}
