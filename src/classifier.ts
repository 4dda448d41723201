import { pMapIterable } from 'p-map';
import type { Clip } from './clip.ts';
import { ImageError, LabelsError, UsageError } from './errors.ts';
import { DEFAULT_DECODE, type DecodeOptions, decode } from './image/decode.ts';
import { type ImageSource, nameOf, readSource } from './image/source.ts';
import type { Pixels } from './model/encoder.ts';
import { batches } from './pipeline.ts';
import { cosines, meanOfGroups, row, sigmoid, softmax, topK, type UnitRows } from './tensor.ts';
import { checkLabels } from './text/labels.ts';
import { expandTemplates, fillTemplate } from './text/prompts.ts';

/** One label of an image. `logit = logitScale · cosine (+ logitBias)`; the scores of a CLIP add up to 1 over all labels. */
export interface RankedLabel {
  readonly label: string;
  readonly score: number;
  readonly logit: number;
  readonly cosine: number;
}

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
  /** Images of one inference; scores do not depend on it. @default 8 */
  readonly batch?: number;
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

/** Images decoded at once: as many as Node's thread pool has threads. */
const DECODERS = 4;

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
  options: ClassifierOptions = {},
): Promise<Classifier> {
  const names = checkLabels(labels);
  const templates = expandTemplates(options.templates ?? ['photo']);
  if (names.length === 1 && clip.logitBias === undefined)
    options.onWarning?.(`with "${names[0]}" as the only label every image scores 1`);
  const labelRows = await embedLabels(clip, names, templates, options.onWarning);
  return {
    labels: names,
    templates,
    async *classify(images, { top = names.length, batch = 8, ...decoding } = {}) {
      if (typeof images === 'string') throw new UsageError(`images is the text "${images}"`, 'give a list: [path]');
      const { exif = DEFAULT_DECODE.exif, maxPixels = DEFAULT_DECODE.maxPixels } = decoding;
      requireCounts({ top, batch, maxPixels });
      const prepared = pMapIterable(images, (image) => prepare(clip, image, { exif, maxPixels }), {
        concurrency: DECODERS,
        backpressure: Math.max(DECODERS, 2 * batch),
      });
      for await (const group of batches(prepared, batch)) {
        const good = group.flatMap((one) => (one.ok ? [one.pixels] : []));
        const ranked = good.length > 0 ? rank(clip, names, await clip.encodeImages(good, batch), labelRows, top) : [];
        let next = 0;
        for (const one of group) {
          yield one.ok ? { ok: true, image: one.image, labels: ranked[next++] as RankedLabel[] } : one;
        }
      }
    },
  };
}

function requireCounts(counts: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(counts)) {
    if (value >= 1 && (Number.isInteger(value) || (name === 'top' && value === Number.POSITIVE_INFINITY))) continue;
    throw new UsageError(`${name} is ${value}`, 'a whole number from 1 is needed');
  }
}

type Prepared =
  | { readonly ok: true; readonly image: string; readonly pixels: Pixels }
  | Extract<ImageResult, { ok: false }>;

/** Bytes → RGB pixels → S × S → as the model wants them. */
async function prepare(clip: Clip, source: ImageSource, decoding: DecodeOptions): Promise<Prepared> {
  const image = nameOf(source);
  try {
    return { ok: true, image, pixels: clip.prepare(await decode(await readSource(source), image, decoding)) };
  } catch (error) {
    if (error instanceof ImageError) return { ok: false, image, error };
    throw error;
  }
}

/** Labels × templates → prompts → unit embeddings → their mean for each label: [L, D]. */
async function embedLabels(
  clip: Clip,
  labels: readonly string[],
  templates: readonly string[],
  onWarning: ClassifierOptions['onWarning'],
): Promise<UnitRows> {
  const tokenizer = await clip.tokenizer();
  const prompts = labels.flatMap((label) => {
    const tokens = templates.map((template) => {
      const prompt = fillTemplate(template, label);
      const special = tokenizer.specialTokenIn(prompt);
      if (special === undefined) return tokenizer.encode(prompt);
      throw new LabelsError(`the prompt "${prompt}" holds the control token ${special}`, 'leave it out');
    });
    if (tokens.some(({ truncated }) => truncated)) {
      onWarning?.(`the prompt of label "${label}" is over ${clip.tokens.context} tokens long: its end is cut off`);
    }
    return tokens.map(({ ids }) => ids);
  });
  return meanOfGroups(await clip.encodeTexts(prompts), templates.length);
}

/** The k best labels of each image: by the softmax over the labels for a CLIP, by the sigmoid of each for a SigLIP. */
function rank(
  clip: Clip,
  labels: readonly string[],
  images: UnitRows,
  labelRows: UnitRows,
  k: number,
): RankedLabel[][] {
  const { logitScale, logitBias } = clip;
  const similarities = cosines(images, labelRows);
  return Array.from({ length: images.rows }, (_, n) => {
    const cosine = row(similarities, n);
    const logits = Float64Array.from(cosine, (c) => logitScale * c + (logitBias ?? 0));
    const scores = logitBias === undefined ? softmax(logits) : sigmoid(logits);
    return topK(scores, k).map(({ index, score }) => ({
      label: labels[index] as string,
      score,
      logit: logits[index] as number,
      cosine: cosine[index] as number,
    }));
  });
}
