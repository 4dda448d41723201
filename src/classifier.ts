import { addBias, type Classes, type ClassOptions, embedClasses, requireUsable } from './classes.ts';
import type { Clip } from './clip.ts';
import { untilAborted } from './embed/aborted.ts';
import type { Embedded } from './embed/encoder.ts';
import { type ImageError, UsageError } from './errors.ts';
import type { DecodeOptions } from './image/decode-options.ts';
import type { ImageInput, ImageInputs } from './image/given.ts';
import type { ImageIdentity } from './image/source.ts';
import { isLearned, type Learned } from './learn/learned.ts';
import type { Decision, Scores } from './ranking.ts';
import { type RuleOptions, rulesOf } from './rules.ts';
import { cosines, sigmoid, softmax, type UnitRows } from './tensor.ts';
import { labelTree } from './text/label-tree.ts';
import { checkLabels, type Label } from './text/labels.ts';

/** A bad image is a result, not an exception. An image without a label is not a failure. */
export type ImageResult =
  | (ImageIdentity & { readonly ok: true } & Decision)
  | (ImageIdentity & { readonly ok: false; readonly error: ImageError });

export type ClassifierOptions = ClassOptions & RuleOptions;

export interface ClassifyOptions extends Partial<DecodeOptions> {
  /** Each page of a TIFF and each frame of a GIF or WebP is a result of its own. @default false */
  readonly allPages?: boolean;
  /** Labels per image, best first. @default all */
  readonly top?: number;
  /** Ends this call: its reason is thrown. The model stays usable. */
  readonly signal?: AbortSignal;
}

export interface Classifier {
  /** The labels that results can have. */
  readonly labels: readonly string[];
  readonly templates: readonly string[];
  /** One result per image, in order. Images are read as results are asked for, so memory does not grow with their number. */
  classify(images: ImageInputs, options?: ClassifyOptions): AsyncGenerator<ImageResult>;
  /** The result of one image. */
  classifyOne(image: ImageInput, options?: ClassifyOptions): Promise<ImageResult>;
  /** Ranks the labels of images that this model has embedded. */
  rank(embedded: AsyncIterable<Embedded>, options?: Pick<ClassifyOptions, 'top'>): AsyncGenerator<ImageResult>;
}

/**
 * A zero-shot classifier (Radford et al. 2021, fig. 1). The labels become prompts, and the prompts unit embeddings, once. Each
 * image becomes a unit embedding too. Then {@link scoreImage} scores the labels, the rules list the best k, and decide whether the
 * first is accepted.
 *
 * @throws LabelsError if a label or template cannot be used; UsageError if the options contradict each other
 */
export async function createClassifier(
  clip: Clip,
  labels: readonly (string | Label)[] | Learned,
  options: ClassifierOptions = {},
): Promise<Classifier> {
  const learned = isLearned(labels) ? labels : undefined;
  if (learned !== undefined) await requireUsable(learned, clip, options);
  const tree = labelTree(checkLabels(isLearned(labels) ? labels.labels : labels));
  const rules = rulesOf(tree, options);
  const classes = await embedClasses(clip, tree, rules, options, learned);

  const classifier: Classifier = {
    labels: rules.names,
    templates: classes.templates,
    classify(images, { top = tree.nodes.length, signal, ...decoding } = {}) {
      const embedded = clip.encodeImages(images, decoding);
      return classifier.rank(signal === undefined ? embedded : untilAborted(embedded, signal), { top });
    },
    async classifyOne(image, options) {
      for await (const result of classifier.classify([image], options)) return result;
      throw new UsageError('there is no image', 'pass one image');
    },
    async *rank(embedded, { top = tree.nodes.length } = {}) {
      if (!(top >= 1 && (Number.isInteger(top) || top === Number.POSITIVE_INFINITY)))
        throw new UsageError(`\`top\` is ${top}`, 'use a whole number from 1');
      for await (const one of embedded) {
        if (!one.ok) yield one;
        else {
          const { embedding, ...image } = one;
          yield { ...image, ...rules.decide(scoreImage(embedding, classes), top) };
        }
      }
    },
  };
  return classifier;
}

/**
 * The scores of the labels for one image: the softmax of `logitScale · image · labelsᵀ` (Radford et al. 2021, fig. 3).
 * SigLIP uses the sigmoid of `logitScale · image · labelsᵀ + logitBias`. Background classes are scored like labels.
 *
 * @param image [1, D]
 */
export function scoreImage(image: UnitRows, classes: Classes): Scores {
  const { rows: labels, labelCount, logitScale, activation } = classes;
  const cosine = cosines(image, labels).data;
  const scaled = Float64Array.from(cosine, (c) => logitScale * c);
  const logits = addBias(scaled, image, classes);
  const scores = activation === 'softmax' ? softmax(logits) : sigmoid(logits);
  const background = scores.subarray(labelCount);
  return {
    cosines: cosine.subarray(0, labelCount),
    logits: logits.subarray(0, labelCount),
    scores: scores.subarray(0, labelCount),
    ...(background.length > 0 && { background: Math.max(...background) }),
  };
}
