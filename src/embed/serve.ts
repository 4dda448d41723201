import { messageOf } from '../errors.ts';
import { decodeHeicInThisProcess } from '../image/heic-process.ts';
import { describeModel } from '../model/describe.ts';
import type { ModelDescription } from '../model/description.ts';
import type { ImageEncoder } from './encoder.ts';
import { openImageGraph } from './image-graph.ts';
import { encodeLabels, type LabelRows, type TextEncoder } from './labels.ts';
import { encodeInProcess } from './local.ts';
import {
  type Opening,
  OUT_OF_MEMORY,
  OUT_OF_THREADS,
  type Reply,
  type Request,
  type Setup,
  toPlain,
} from './messages.ts';
import { measureLogitScale } from './scoring.ts';
import { withTextGraph } from './text-graph.ts';

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

/** Encodes images for the parent process: the first request names the model, the others are images. */
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
  const answer = async (request: Request) => {
    if (request.kind === 'open') {
      encoder = openEncoder(request.setup);
      return post({ kind: 'open', provider: await (await encoder).provider() });
    }
    if (request.kind === 'labels') return post({ kind: 'rows', rows: await labelRows(request, post, flush) });
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

async function labelRows(
  { setup, prompts }: Extract<Opening, { kind: 'labels' }>,
  post: (reply: Reply) => void,
  flush: () => void,
): Promise<LabelRows> {
  const described = await describe(setup);
  const texts: TextEncoder = {
    tokenizer: described.tokenizer,
    withTextGraph: (use, count) =>
      withTextGraph(described, setup, use, count, () => {
        post({ kind: 'alive' });
        flush(); // inference blocks this process
      }),
  };
  return encodeLabels(texts, prompts, (part) => post({ kind: 'labels', part }));
}

async function openEncoder({ batch, decoders, ...execution }: Setup): Promise<ImageEncoder> {
  const described = await describe(execution);
  return encodeInProcess(described, () => openImageGraph(described, execution), { batch, decoders });
}

function describe({ model, dtype }: Pick<Setup, 'model' | 'dtype'>): Promise<ModelDescription> {
  return describeModel(model, dtype === undefined ? {} : { dtype });
}
