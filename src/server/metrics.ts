import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Seconds of a request. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** What is counted, in the text format of Prometheus. */
export class Metrics {
  private readonly registry = new Registry();
  private readonly requests = this.counter('requests_total', 'Requests answered', ['route', 'status']);
  private readonly images = this.counter('images_total', 'Images by result: ok, or the code of the error', ['result']);
  private readonly sets = this.counter('label_sets_total', 'Label sets asked for, by whether they were kept', ['kept']);
  private readonly deaths = this.counter('worker_deaths_total', 'Worker processes that ended and were replaced', []);
  private readonly seconds = new Histogram({
    name: 'clip_classify_request_seconds',
    help: 'Time to answer a request',
    labelNames: ['route'],
    buckets: BUCKETS,
    registers: [this.registry],
  });

  /** @param waiting images that wait or run */
  constructor(waiting: () => number) {
    collectDefaultMetrics({ register: this.registry });
    new Gauge({
      name: 'clip_classify_queue_images',
      help: 'Images that wait or are being encoded',
      registers: [this.registry],
      collect() {
        this.set(waiting());
      },
    });
  }

  request(route: string, status: number, seconds: number): void {
    this.requests.inc({ route, status: String(status) });
    this.seconds.observe({ route }, seconds);
  }

  image(result: string): void {
    this.images.inc({ result });
  }

  labelSet(isKept: boolean): void {
    this.sets.inc({ kept: String(isKept) });
  }

  workerDeath(): void {
    this.deaths.inc();
  }

  async text(): Promise<{ readonly text: string; readonly type: string }> {
    return { text: await this.registry.metrics(), type: this.registry.contentType };
  }

  private counter<T extends string>(name: string, help: string, labelNames: readonly T[]): Counter<T> {
    return new Counter({ name: `clip_classify_${name}`, help, labelNames: [...labelNames], registers: [this.registry] });
  }
}
