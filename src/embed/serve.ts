import { decodeHeicInThisProcess } from '../image/heic-process.ts';
import { describeModel } from '../model/description.ts';
import type { ImageEncoder } from './encoder.ts';
import { openImageTower } from './image-tower.ts';
import { encodeInProcess } from './local.ts';
import { OUT_OF_MEMORY, type Reply, type Request, type Setup, toPlain } from './messages.ts';

/** The child's end of the channel between the processes; node's `process` is one. */
export interface Channel {
  send?(replies: readonly Reply[]): unknown;
  on(event: 'message', heard: (requests: readonly Request[]) => void): unknown;
  /** Ends the process. */
  exit(code: number): never;
}

/** What decoding an ordinary photograph may take, in bytes. */
const ENOUGH = 1 << 26;

/** Where there is no more memory, a decoder says that the image is broken. */
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
    const { id, source, options } = request;
    const result = await (await encoder)?.encode(source, options, (stage) => {
      post({ kind: 'stage', id, stage });
      if (stage === 'running') flush(); // inference blocks this process: what is said before must be on its way
    });
    if (result?.ok) post({ kind: 'embedding', id, embedding: result.embedding.data, notes: result.notes });
    else if (result) {
      // A decoder without memory calls an image broken; a later process can do better.
      if (result.error.code === 'E_DECODE' && !hasMemory()) channel.exit(OUT_OF_MEMORY);
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

async function openEncoder({ model, dtype, batch, decoders, ...machine }: Setup): Promise<ImageEncoder> {
  const described = await describeModel(model, { dtype });
  return encodeInProcess(described, () => openImageTower(described, machine), { batch, decoders });
}
