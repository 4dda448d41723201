import type { IncomingMessage } from 'node:http';
import { readBody } from './body.ts';
import type { Budget } from './budget.ts';
import type { HeatMaps } from './heat-maps.ts';
import type { LabelMemory, LabelSet } from './label-memory.ts';
import type { Metrics } from './metrics.ts';
import type { ModelHost } from './model-host.ts';
import type { Pictures } from './pictures.ts';
import type { ImageQueue } from './queue.ts';
import type { ServiceSettings } from './settings.ts';

/** What the routes need. */
export interface Service {
  readonly settings: ServiceSettings;
  readonly host: ModelHost;
  readonly labels: LabelMemory;
  /** The classifier for the labels of the service; undefined if it has none. */
  readonly defaults: LabelSet | undefined;
  readonly queue: ImageQueue;
  readonly pictures: Pictures;
  readonly heatMaps: HeatMaps;
  readonly budget: Budget;
  readonly metrics: Metrics;
  /** Whether no new request is accepted. */
  isStopping(): boolean;
}

/** One request, and its values for the log. */
export interface Exchange {
  readonly incoming: IncomingMessage;
  readonly query: URLSearchParams;
  /** Aborted when the client leaves. */
  readonly signal: AbortSignal;
  /** How many images it has, for the log. */
  images: number;
}

/** A body that is not JSON. */
export class Content {
  constructor(
    /** For Content-Type. */
    readonly type: string,
    readonly bytes: string | Uint8Array,
  ) {}
}

/** What is sent back. */
export interface Answer {
  readonly status: number;
  /** Any other object becomes JSON. */
  readonly body?: Content | object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a route does. */
export type Respond = (exchange: Exchange, service: Service) => Promise<Answer>;

/** Reads the body, and returns its memory to the budget after the answer. @throws Problem */
export async function withBody<T>(
  { incoming }: Exchange,
  { settings, budget }: Service,
  answer: (bytes: Buffer) => Promise<T>,
): Promise<T> {
  const body = await readBody(incoming, settings.limits.bodyBytes, budget);
  try {
    return await answer(body.bytes);
  } finally {
    body.release();
  }
}
