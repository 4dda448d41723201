import { join } from 'node:path';
import type { Embedded } from '../../embed/encoder.ts';
import { UsageError } from '../../errors.ts';
import type { EmbeddingRun, NumberType } from '../../output/embeddings.ts';
import type { ParquetRun } from '../../output/parquet/tables.ts';
import { runOnModel, warner } from '../image-run.ts';
import { type Io, unlessInterrupted } from '../io.ts';
import { decodeOptions } from '../options/model-options.ts';
import { givenParts } from '../parts/options.ts';
import type { Part } from '../parts/plan.ts';
import { type PartOutput, writeParts } from '../parts/run.ts';
import { type EmbeddingFormat, embeddingSink, filesWritten } from './output.ts';
import { type EmbedOptions, embeddingRun } from './run.ts';

/** Digits of a number in a file name, so that names sort like numbers: 10 after 9. */
const DIGITS = 5;

/** Embeds part by part; writes the files into a folder. @returns the exit code */
export async function embedParts(
  args: readonly string[],
  folder: string,
  options: EmbedOptions,
  io: Io,
): Promise<number> {
  const { format = 'parquet', layout, quiet = false, embeddingType = 'float32', shard, rowsPerFile } = options;
  const warn = warner(options, io);
  if (layout !== undefined && shard !== undefined && rowsPerFile !== undefined)
    throw new UsageError(
      '--layout clip-retrieval numbers its files, and shares of images would use the same numbers',
      'use tars, or a folder for each share',
    );
  const given = await givenParts(args, options, io, warn);
  try {
    return await runOnModel(given, options, false, io, async (clip, progress) => {
      const run = await unlessInterrupted(embeddingRun(clip, 'image', options), io);
      const { version, model, digest, dtype } = run;
      const settings = {
        ...(layout ? { layout } : { format, embeddingType }),
        version,
        model: { name: model, digest, dtype },
        ...decodeOptions(options),
        ...(options.carry && { carry: options.carry }),
      };
      const results = (images: Parameters<typeof clip.encodeImages>[0]) =>
        clip.encodeImages(images, decodeOptions(options));
      const outputOf = layout
        ? await retrievalOutput(folder, run)
        : plainOutput(folder, format, run, embeddingType, io);
      return writeParts(given.parts, { settings, outputOf, results }, [folder], { progress, io, quiet, warn });
    });
  } finally {
    given.stop();
  }
}

type OutputOf = (part: Part) => PartOutput<Embedded>;

function plainOutput(
  folder: string,
  format: EmbeddingFormat,
  run: EmbeddingRun & ParquetRun,
  type: NumberType,
  io: Io,
): OutputOf {
  return ({ name }) => {
    const file = join(folder, `${name}.${format}`);
    return {
      first: file,
      files: () => filesWritten(format, file),
      sink: () => embeddingSink(format, file, run, type, io, 'whole'),
    };
  };
}

/** `img_emb/img_emb_N.npy`, `metadata/metadata_N.parquet`, and `errors/errors_N.jsonl` for images that failed. */
async function retrievalOutput(folder: string, run: EmbeddingRun & ParquetRun): Promise<OutputOf> {
  const { RetrievalSink } = await import('../../output/clip-retrieval.ts');
  return ({ number }) => {
    const digits = String(number).padStart(DIGITS, '0');
    const files = {
      embeddings: join(folder, 'img_emb', `img_emb_${digits}.npy`),
      metadata: join(folder, 'metadata', `metadata_${digits}.parquet`),
      errors: join(folder, 'errors', `errors_${digits}.jsonl`),
    };
    const sink = new RetrievalSink(files, run);
    return { first: join(folder, `part_${digits}`), files: () => sink.written(), sink: async () => sink };
  };
}
