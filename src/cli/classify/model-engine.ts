import { createClassifier } from '../../classifier.ts';
import type { Embedded } from '../../embed/encoder.ts';
import type { Learned } from '../../learn/learned.ts';
import type { Label } from '../../text/labels.ts';
import type { Amount } from '../given-images.ts';
import { warner } from '../image-run.ts';
import { type Io, unlessInterrupted } from '../io.ts';
import { openModel } from '../open-model.ts';
import { classifierOptions } from '../options/label-options.ts';
import { decodeOptions } from '../options/model-options.ts';
import type { Engine } from './engine.ts';
import type { ClassifyOptions } from './settings.ts';

/** Loads the model into this process. */
export async function modelEngine(
  classes: readonly Label[] | Learned,
  amount: Amount,
  options: ClassifyOptions,
  io: Io,
): Promise<Engine> {
  const clip = await openModel(options, amount, io);
  return {
    ...clip,
    clip,
    labels: [],
    async begin() {
      const classifier = await unlessInterrupted(
        createClassifier(clip, classes, { ...classifierOptions(options), onWarning: warner(options, io) }),
        io,
      );
      const stored = options.from === undefined ? undefined : await unlessInterrupted(clip.digest(), io);
      return {
        templates: classifier.templates,
        rank: (images) =>
          classifier.rank(
            images === undefined
              ? embeddingsIn(String(options.from), String(stored))
              : clip.encodeImages(images, decodeOptions(options)),
            options,
          ),
      };
    },
  };
}

/** The embeddings in a file of `embed`; the library that reads Parquet is loaded for Parquet alone. */
async function* embeddingsIn(path: string, digest: string): AsyncGenerator<Embedded> {
  if (/\.parquet$/iu.test(path)) yield* (await import('../../output/parquet/stored.ts')).storedParquet(path, digest);
  else yield* (await import('../../cache/stored.ts')).storedEmbeddings(path, digest);
}
