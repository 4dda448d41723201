import { messageOf } from '../errors.ts';
import { decodeHeicInThisProcess } from '../image/heic-process.ts';
import { describeModel } from '../model/describe.ts';
import type { ModelDescription } from '../model/description.ts';
import { once } from '../once.ts';
import type { ImageEncoder } from './encoder.ts';
import { openImageGraph } from './image-graph.ts';
import { encodeLabels, type TextEncoder } from './labels.ts';
import { encodeInProcess } from './local.ts';
import { OUT_OF_MEMORY, OUT_OF_THREADS, type Reply, type Request, type Setup, type Task, toPlain } from './messages.ts';
import { measureLogitScale } from './scoring.ts';
import { isOneBatch, openTextGraph, withTextGraph } from './text-graph.ts';

/** The child's end of the channel between the processes; node's `process` is one. */
export interface Channel {
  send?(replies: readonly Reply[]): unknown;
  on(event: 'message', heard: (requests: readonly Request[]) => void): unknown;
  /** Ends the process. */
  exit(code: number): never;
}

/** Bytes that decoding an ordinary photograph may need. */
const ENOUGH = 1 << 26;

/** Whether there is memory left. Without memory, decoders report good images as damaged. */
function hasMemory(): boolean {
  try {
    new ArrayBuffer(ENOUGH);
    return true;
  } catch {
    return false;
  }
}

/** Encodes images or labels for the parent process. The first request names the model. */
export function serveImages(channel: Channel): void {
  decodeHeicInThisProcess();
  let encoder: Promise<ImageEncoder> | undefined;
  const outbox: Reply[] = [];
  const flush = () => {
    if (outbox.length > 0) channel.send?.(outbox.splice(0));
  };
  const post = (reply: Reply) => {
    if (outbox.push(reply) === 1) setImmediate(flush);
  };
  const encoderOf = textEncoders(() => {
    post({ kind: 'alive' });
    flush(); // inference blocks this process
  });
  const answer = async (request: Request) => {
    if (request.kind === 'open') {
      encoder = openEncoder(request.setup);
      return post({ kind: 'open', provider: await (await encoder).provider() });
    }
    if (request.kind === 'labels') {
      const encoder = await encoderOf(request);
      const rows = await encodeLabels(encoder, request.prompts, (part) => post({ kind: 'labels', part }));
      return post({ kind: 'rows', rows });
    }
    if (request.kind === 'scale') {
      const { threads } = request.setup;
      return post({
        kind: 'scale',
        logitScale: await measureLogitScale(await describe(request.setup), threads),
      });
    }
    const { id, source, options } = request;
    const result = await (await encoder)?.encode(source, options, (phase) => {
      post({ kind: 'phase', id, phase });
      if (phase === 'running') flush(); // inference blocks this process, so earlier replies must be sent first
    });
    if (result?.ok) post({ kind: 'embedding', id, embedding: result.embedding.data, notes: result.notes });
    else if (result) {
      // A decoder without memory or threads reports the image as damaged. A later process can decode it.
      if (result.error.code === 'E_DECODE') {
        if (/thread/iu.test(`${result.error.message} ${messageOf(result.error.cause)}`)) channel.exit(OUT_OF_THREADS);
        if (!hasMemory()) channel.exit(OUT_OF_MEMORY);
      }
      post({ kind: 'bad image', id, error: toPlain(result.error) });
    }
  };
  channel.on('message', (requests) => {
    for (const request of requests) {
      answer(request).catch((error) => {
        if (!hasMemory()) channel.exit(OUT_OF_MEMORY);
        post({ kind: 'failed', error: toPlain(error) });
      });
    }
  });
}

/**
 * Makes text encoders. If the text graph is kept, there is one, and the graph stays open for later labels in the form that opens fastest.
 * Many prompts are run in a graph of their own, in the form that runs fastest.
 */
function textEncoders(onRun: () => void): (task: Extract<Task, { kind: 'labels' }>) => Promise<TextEncoder> {
  let kept: Promise<TextEncoder> | undefined;
  return ({ setup, keep }) => {
    if (!keep) return textEncoder(setup, (model) => (use, count) => withTextGraph(model, setup, use, count, onRun));
    kept ??= textEncoder(setup, (model) => {
      const open = once(() => openTextGraph(model, setup, true, onRun));
      return async (use, count) =>
        isOneBatch(count) ? use((await open()).encode) : withTextGraph(model, setup, use, count, onRun);
    });
    return kept;
  };
}

async function textEncoder(
  setup: Setup,
  opener: (model: ModelDescription) => TextEncoder['withTextGraph'],
): Promise<TextEncoder> {
  const described = await describe(setup);
  return { tokenizer: described.tokenizer, withTextGraph: opener(described) };
}

async function openEncoder({ batch, decoders, ...execution }: Setup): Promise<ImageEncoder> {
  const described = await describe(execution);
  return encodeInProcess(described, () => openImageGraph(described, execution), { batch, decoders });
}

function describe({ model, dtype }: Pick<Setup, 'model' | 'dtype'>): Promise<ModelDescription> {
  return describeModel(model, dtype === undefined ? {} : { dtype });
}
