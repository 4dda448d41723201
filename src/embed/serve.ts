import { messageOf } from '../errors.ts';
import { decodeHeicInThisProcess } from '../image/heic-process.ts';
import { describeModel } from '../model/describe.ts';
import type { ModelDescription } from '../model/description.ts';
import { once } from '../once.ts';
import type { ImageEncoder } from './encoder.ts';
import { openImageTower } from './image-tower.ts';
import { encodeLabels, type TextEncoder } from './labels.ts';
import { encodeInProcess } from './local.ts';
import { OUT_OF_MEMORY, OUT_OF_THREADS, type Reply, type Request, type Setup, type Task, toPlain } from './messages.ts';
import { measureLogitScale } from './scoring.ts';
import { openTextTower, withTextTower } from './text-tower.ts';

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
  const texts = labelEncoder(() => {
    post({ kind: 'alive' });
    flush(); // inference blocks this process
  });
  const answer = async (request: Request) => {
    if (request.kind === 'open') {
      encoder = openEncoder(request.setup);
      return post({ kind: 'open', provider: await (await encoder).provider() });
    }
    if (request.kind === 'labels') {
      const rows = await encodeLabels(await texts(request), request.prompts, (part) => post({ kind: 'labels', part }));
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
    const result = await (await encoder)?.encode(source, options, (stage) => {
      post({ kind: 'stage', id, stage });
      if (stage === 'running') flush(); // inference blocks this process, so earlier replies must be sent first
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

/** Encodes labels. A text graph that is kept stays open for the labels that follow. */
function labelEncoder(onRun: () => void): (task: Extract<Task, { kind: 'labels' }>) => Promise<TextEncoder> {
  let kept: Promise<TextEncoder> | undefined;
  return ({ setup, keep }) => {
    if (!keep) return textsOf(setup, (model) => (use, count) => withTextTower(model, setup, use, count, onRun));
    kept ??= textsOf(setup, (model) => {
      const tower = once(() => openTextTower(model, setup, false, onRun));
      return async (use) => use((await tower()).encode);
    });
    return kept;
  };
}

async function textsOf(
  setup: Setup,
  opener: (model: ModelDescription) => TextEncoder['withTextTower'],
): Promise<TextEncoder> {
  const described = await describe(setup);
  return { tokenizer: described.tokenizer, withTextTower: opener(described) };
}

async function openEncoder({ batch, decoders, ...machine }: Setup): Promise<ImageEncoder> {
  const described = await describe(machine);
  return encodeInProcess(described, () => openImageTower(described, machine), { batch, decoders });
}

function describe({ model, dtype }: Pick<Setup, 'model' | 'dtype'>): Promise<ModelDescription> {
  return describeModel(model, dtype === undefined ? {} : { dtype });
}
