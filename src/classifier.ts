import type { Clip } from './clip.ts';
import { type ImageError, UsageError } from './errors.ts';
import type { DecodeOptions } from './image/decode.ts';
import type { ImageSource } from './image/source.ts';
import { type RankedLabel, rank } from './ranking.ts';
import { checkLabels } from './text/labels.ts';
import { expandTemplates } from './text/prompts.ts';

/** A bad image is a result, not an exception. */
export type ImageResult =
  | { readonly ok: true; readonly image: string; readonly labels: readonly RankedLabel[] }
  | { readonly ok: false; readonly image: string; readonly error: ImageError };

export interface ClassifierOptions {
  /** Prompt templates or names of template sets. @default ['photo'] */
  readonly templates?: readonly string[];
  /** Told about prompts that are too long and about a single label. */
  readonly onWarning?: (message: string) => void;
}

export interface ClassifyOptions extends Partial<DecodeOptions> {
  /** Labels per image, best first. @default all */
  readonly top?: number;
}

export interface Classifier {
  readonly labels: readonly string[];
  readonly templates: readonly string[];
  /** One result per image, in order. Pulls as it is pulled: memory does not grow with the number of images. */
  classify(
    images: Iterable<ImageSource> | AsyncIterable<ImageSource>,
    options?: ClassifyOptions,
  ): AsyncGenerator<ImageResult>;
}

/**
 * A zero-shot classifier: the labels become prompts, the prompts unit embeddings, once (Radford et al. 2021, fig. 1).
 * Each image becomes a unit embedding too, and its labels are ranked by the softmax of `logitScale · cosine`
 * (for a SigLIP, by the sigmoid of `logitScale · cosine + logitBias`).
 *
 * @throws LabelsError if a label or template cannot be used
 */
export async function createClassifier(
  clip: Clip,
  labels: readonly string[],
  { templates: given = ['photo'], onWarning }: ClassifierOptions = {},
): Promise<Classifier> {
  const names = checkLabels(labels);
  const templates = expandTemplates(given);
  if (names.length === 1 && clip.logitBias === undefined)
    onWarning?.(`with "${names[0]}" as the only label every image scores 1`);
  const { rows, truncated } = await clip.encodeLabels(names, templates);
  for (const n of truncated)
    onWarning?.(`the prompt of label "${names[n]}" is over ${clip.tokens.context} tokens long: its end is cut off`);
  return {
    labels: names,
    templates,
    async *classify(images, { top = names.length, ...decoding } = {}) {
      if (!(top >= 1 && (Number.isInteger(top) || top === Number.POSITIVE_INFINITY)))
        throw new UsageError(`top is ${top}`, 'a whole number from 1 is needed');
      for await (const one of clip.encodeImages(images, decoding)) {
        yield one.ok ? { ok: true, image: one.image, labels: rank(one.embedding, rows, names, clip, top) } : one;
      }
    },
  };
}
