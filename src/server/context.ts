import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import { readBody } from './body.ts';
import type { Budget } from './budget.ts';
import type { ExplainProcesses } from './explain-process.ts';
import type { LabelMemory, LabelSet } from './label-memory.ts';
import type { Metrics } from './metrics.ts';
import type { ModelHost } from './model-host.ts';
import type { Pictures } from './pictures.ts';
import type { ImageQueue } from './queue.ts';
import type { ServiceSettings } from './settings.ts';

/** What the routes work with. */
export interface Service {
  readonly settings: ServiceSettings;
  readonly host: ModelHost;
  readonly labels: LabelMemory;
  /** Of the labels of the service; undefined if it has none. */
  readonly defaults: LabelSet | undefined;
  readonly queue: ImageQueue;
  readonly budget: Budget;
  readonly pictures: Pictures;
  readonly explain: ExplainProcesses;
  readonly metrics: Metrics;
  /** Whether no new request is accepted. */
  isStopping(): boolean;
}

/** What a request carries from hand to hand. */
export interface Variables {
  /** Aborted when the client leaves. */
  signal: AbortSignal;
  /** The path of its route, for the log and the metrics. */
  route: string;
  /** How many images it has. */
  images: number;
}

export type RequestContext = Context<{ Bindings: HttpBindings; Variables: Variables }>;

/** Reads the body, and gives its memory back when it has been answered. @throws Problem */
export async function withBody<T>(
  c: RequestContext,
  { settings, budget }: Service,
  answer: (bytes: Buffer) => Promise<T>,
): Promise<T> {
  const body = await readBody(c.env.incoming, settings.limits.bodyBytes, budget);
  try {
    return await answer(body.bytes);
  } finally {
    body.release();
  }
}
