import pLimit from 'p-limit';
import { ImageError, UsageError } from '../errors.ts';
import { decode } from '../image/decode.ts';
import type { DecodeOptions } from '../image/decode-options.ts';
import { shortSideWanted } from '../image/preprocess.ts';
import { type ImageSource, identityOf, readSource } from '../image/source.ts';
import type { Pixels } from '../model/encoder.ts';
import { rowOf, type UnitRows } from '../tensor.ts';
import type { Embedded, ImageEncoder, Phase } from './encoder.ts';
import { Lock } from './held.ts';
import { type ImageGraph, type Preparing, preparePixels } from './image-graph.ts';

/** Limits of the work in parallel. */
export interface Workload {
  /** The most images of one inference. */
  readonly batch: number;
  /** Images decoded at once, at most the number of threads in Node's pool. */
  readonly decoders: number;
}

/** Only one file that is larger than this is in memory at a time. */
const LARGE_BYTES = 32_000_000;

/** A prepared image that waits for its batch. */
interface Ready {
  readonly pixels: Pixels;
  readonly onRun: () => void;
  readonly done: (embedding: UnitRows) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Encodes images in this process. Decoding continues in sharp's threads while the graph runs.
 *
 * A batch runs when it is full, or when no other image is being prepared. So a slow list is answered image by image, and a long one in
 * full batches.
 *
 * @param open opens the image graph; called once, when the first image is already being decoded
 */
export function encodeInProcess(
  model: Preparing,
  open: () => Promise<ImageGraph>,
  { batch, decoders }: Workload,
): ImageEncoder {
  const decoding = pLimit(decoders);
  const largeFiles = new Lock();
  const ready: Ready[] = [];
  let preparing = 0;
  let busy = false;
  let opened: Promise<ImageGraph> | undefined;
  let released = false;
  const graph = () => {
    if (released) throw new UsageError('the model has been released', 'call loadModel again');
    opened ??= open();
    return opened;
  };

  const runBatch = async () => {
    if (busy || ready.length === 0 || (ready.length < batch && preparing > 0)) return;
    busy = true;
    const group = ready.splice(0, batch);
    try {
      const { encode } = await graph();
      for (const { onRun } of group) onRun();
      const rows = await encode(
        group.map(({ pixels }) => pixels),
        batch,
      );
      for (const [n, { done }] of group.entries()) done(rowOf(rows, n));
    } catch (error) {
      for (const { failed } of group) failed(error);
    }
    busy = false;
    setImmediate(runBatch); // lets the receivers of results request their next image first
  };

  const prepare = async (source: ImageSource, options: DecodeOptions, onPhase?: (phase: Phase) => void) => {
    preparing++;
    try {
      return await decoding(async () => {
        onPhase?.('decoding');
        let release = () => {};
        try {
          const bytes = await readSource(source, async (size) => {
            if (size > LARGE_BYTES) release = await largeFiles.lock();
          });
          graph().catch(() => {}); // opens while the first image is decoded; runBatch reports a failure
          const image = await decode(bytes, source.name, options, shortSideWanted(model.preprocessing));
          return { pixels: await preparePixels(model, image), notes: image.notes ?? [] };
        } finally {
          release();
        }
      });
    } finally {
      preparing--;
      setImmediate(runBatch);
    }
  };

  return {
    provider: async () => (await graph()).provider,
    async encode(source, options, onPhase): Promise<Embedded> {
      const identity = identityOf(source);
      try {
        const { pixels, notes } = await prepare(source, options, onPhase);
        onPhase?.('prepared');
        const embedding = await new Promise<UnitRows>((done, failed) => {
          ready.push({ pixels, onRun: () => onPhase?.('running'), done, failed });
        });
        return { ok: true, ...identity, ...(notes.length > 0 && { notes }), embedding };
      } catch (error) {
        if (error instanceof ImageError) return { ok: false, ...identity, error };
        throw error;
      }
    },
    async release() {
      const last = opened;
      [released, opened] = [true, undefined];
      await (await last?.catch(() => undefined))?.release(); // a failure to open has been reported
    },
  };
}
