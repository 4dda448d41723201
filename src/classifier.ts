import type { Clip } from './clip.ts';
import { doubts } from './embed/doubts.ts';
import type { Embedded } from './embed/encoder.ts';
import { type ImageError, LabelsError, UsageError } from './errors.ts';
import type { DecodeOptions } from './image/decode-options.ts';
import type { ImageInput, ImageInputs } from './image/given.ts';
import type { ImageIdentity } from './image/source.ts';
import { isLearned, type Learned, pictureEvidence, requireModel } from './learn/learned.ts';
import { neutralWhereWordless } from './learn/words.ts';
import { type Cut, cutAtLevel, deepestCut, scoresOfCut } from './levels.ts';
import type { Scoring } from './model/description.ts';
import { type Decision, decide, type Rule, type Scores, scoreLabels } from './ranking.ts';
import { rowsOf, type UnitRows } from './tensor.ts';
import { labelDoubts } from './text/label-doubts.ts';
import { type LabelTree, labelTree } from './text/label-tree.ts';
import { checkLabels, type Label } from './text/labels.ts';
import { expandTemplates, neutralPrompts, promptsOf, templatesAbout } from './text/prompts.ts';

/** The threshold of labels that are decided on their own: more likely than not. */
const EVEN = 0.5;

/** A bad image is a result, not an exception. An image without a label is not a failure. */
export type ImageResult =
  | (ImageIdentity & { readonly ok: true } & Decision)
  | (ImageIdentity & { readonly ok: false; readonly error: ImageError });

export interface ClassifierOptions {
  /** Prompt templates or names of template sets. @default ['photo'] */
  readonly templates?: readonly string[];
  /** A hint at what the labels are, such as food: templates end in ", a type of food". @default none */
  readonly about?: string;
  /** If labels have parents: the level that is ranked, 1 for labels without a parent. @default the deepest label that reaches its threshold */
  readonly level?: number;
  /**
   * Adds a background class from neutral prompts, or from these prompts: where it comes first, an image has no label.
   *
   * @default false
   */
  readonly none?: boolean | readonly string[];
  /** Prompts, each of which is a background class of its own. @default [] */
  readonly nonePrompts?: readonly string[];
  /** Least score of a label; a label may have its own threshold. @default 0, with `multiLabel` ½ */
  readonly threshold?: number;
  /** An image has no label where its best score is not by so much greater than the second. @default 0 */
  readonly minMargin?: number;
  /** Several labels may hold: each is scored by the sigmoid, on its own. @default false */
  readonly multiLabel?: boolean;
  /** Told about prompts that are too long, labels that are nearly one, and a single label. */
  readonly onWarning?: (message: string) => void;
}

export interface ClassifyOptions extends Partial<DecodeOptions> {
  /** Each page of a TIFF and each frame of a GIF or WebP is a result of its own. @default false */
  readonly allPages?: boolean;
  /** Labels per image, best first. @default all */
  readonly top?: number;
  /** Ends this call: its reason is thrown. The model stays usable. */
  readonly signal?: AbortSignal;
}

export interface Classifier {
  /** What results can be called. */
  readonly labels: readonly string[];
  readonly templates: readonly string[];
  /** One result per image, in order. Pulls as it is pulled: memory does not grow with the number of images. */
  classify(images: ImageInputs, options?: ClassifyOptions): AsyncGenerator<ImageResult>;
  /** The result of one image. */
  classifyOne(image: ImageInput, options?: ClassifyOptions): Promise<ImageResult>;
  /** Ranks the labels of images that this model has embedded. */
  rank(embedded: AsyncIterable<Embedded>, options?: Pick<ClassifyOptions, 'top'>): AsyncGenerator<ImageResult>;
}

/**
 * A zero-shot classifier: the labels become prompts, the prompts unit embeddings, once (Radford et al. 2021, fig. 1).
 * Each image becomes a unit embedding too, and its labels are ranked by the softmax of `logitScale · cosine`
 * (for a SigLIP, by the sigmoid of `logitScale · cosine + logitBias`). A learnt classifier adds what its pictures say.
 *
 * @throws LabelsError if a label or template cannot be used; UsageError if the options contradict each other
 */
export async function createClassifier(
  clip: Clip,
  labels: readonly (string | Label)[] | Learned,
  options: ClassifierOptions = {},
): Promise<Classifier> {
  const { onWarning } = options;
  const learned = isLearned(labels) ? labels : undefined;
  if (learned !== undefined) await requireUsable(learned, clip, options);
  const checked = checkLabels(isLearned(labels) ? labels.labels : labels);
  const tree = labelTree(checked);
  const rules = rulesOf(tree, options);
  const rule = rules.of([...tree.leaves.keys()]);
  const templates =
    learned?.templates ?? templatesAbout(expandTemplates(options.templates ?? ['photo']), options.about);
  // The weights of a learnt classifier were chosen for the softmax, whatever the model was trained with.
  const scoring: Scoring = learned ? { logitScale: clip.logitScale } : clip;
  const activation = rule.several || scoring.logitBias !== undefined ? 'sigmoid' : 'softmax';
  const needsNeutral = rule.several && scoring.logitBias === undefined;
  const background = backgroundPrompts(options, needsNeutral);
  if (tree.leaves.length === 1 && activation === 'softmax' && !rule.none)
    onWarning?.(`"${rule.names[0]}" is the only label, so every image gets score 1; add labels or \`none\``);

  const prompts = tree.leaves.map((label) => promptsOf(label, templates));
  const encoded = await clip.encodeLabels([...prompts, ...background]);
  const words = rowsOf(encoded.rows, 0, prompts.length);
  const classes = {
    labels: learned ? neutralWhereWordless(words, learned.labels) : words,
    background: rowsOf(encoded.rows, prompts.length),
    ...(learned && { evidence: pictureEvidence(learned) }),
  };
  const names = [...rule.names, ...background.map(([prompt = '']) => prompt)];
  if (learned === undefined) {
    for (const doubt of labelDoubts(rule.names)) onWarning?.(doubt);
    for (const doubt of doubts(encoded, names, clip.tokens.context)) onWarning?.(doubt);
  }
  const decideRow = (image: UnitRows, top: number) => {
    const scores = scoreLabels(image, classes, scoring, activation);
    const cut = rules.cut(scores);
    return cut === undefined
      ? decide(scores, rule, top)
      : decide(scoresOfCut(scores, tree, cut, rule.several), rules.of(cut), top);
  };
  const classifier: Classifier = {
    labels: rules.names,
    templates,
    classify(images, { top, signal, ...decoding } = {}) {
      const embedded = clip.encodeImages(images, decoding);
      return classifier.rank(signal === undefined ? embedded : untilAborted(embedded, signal), {
        ...(top !== undefined && { top }),
      });
    },
    async classifyOne(image, options) {
      for await (const result of classifier.classify([image], options)) return result;
      throw new UsageError('there is no image', 'pass one image');
    },
    async *rank(embedded, { top = tree.nodes.length } = {}) {
      if (!(top >= 1 && (Number.isInteger(top) || top === Number.POSITIVE_INFINITY)))
        throw new UsageError(`\`top\` is ${top}`, 'use a whole number from 1');
      for await (const one of embedded) {
        yield one.ok ? resultOf(one, (image) => decideRow(image, top)) : one;
      }
    },
  };
  return classifier;
}

/** The same items until the signal is aborted; then its reason is thrown at once, whatever is still under way. */
async function* untilAborted<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  let stop = () => {};
  const aborted = new Promise<never>((_, failed) => {
    stop = () => failed(signal.reason);
  });
  aborted.catch(() => {}); // told by the race
  signal.addEventListener('abort', stop, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      const next = await Promise.race([iterator.next(), aborted]);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    void iterator.return?.().catch(() => {});
  }
}

function resultOf({ embedding, ...image }: Embedded & { ok: true }, judge: (row: UnitRows) => Decision): ImageResult {
  return { ...image, ...judge(embedding) };
}

/** @throws ModelError or UsageError if options do not fit a learnt classifier */
async function requireUsable(learned: Learned, clip: Clip, options: ClassifierOptions): Promise<void> {
  await requireModel(learned, clip);
  if (options.templates !== undefined || options.about !== undefined)
    throw new UsageError(
      'a learned classifier has its own templates',
      'remove --template and --about, or learn it again with other templates',
    );
  const needsBackground = options.none || options.multiLabel || (options.nonePrompts ?? []).length > 0;
  if (needsBackground && learned.weights.words === 0)
    throw new UsageError(
      'a background class needs words, and this classifier was learned without text',
      'remove --none, --none-prompt and --multi-label; --threshold and --min-margin work',
    );
}

/** The prompts of each background class. */
function backgroundPrompts({ none = false, nonePrompts = [] }: ClassifierOptions, neutral: boolean): string[][] {
  const own = nonePrompts.map((prompt) => [prompt]);
  const of = typeof none === 'boolean' || none.length === 0 ? neutralPrompts() : none;
  return none || (neutral && own.length === 0) ? [[...of], ...own] : own;
}

/** How scores become a label, for every choice of labels of a tree. */
interface Rules {
  /** What results can be called. */
  readonly names: readonly string[];
  /** The labels that an image is ranked with; undefined for the leaves. @param scores of the leaves */
  cut(scores: Scores): Cut | undefined;
  of(cut: Cut): Rule;
}

/** @throws LabelsError or UsageError if no score could follow it */
function rulesOf(tree: LabelTree, options: ClassifierOptions): Rules {
  const { none = false, nonePrompts = [], multiLabel = false, minMargin = 0, level } = options;
  const { threshold = multiLabel ? EVEN : 0 } = options;
  const { leaves, nodes } = tree;
  for (const [name, value] of Object.entries({ threshold, minMargin })) {
    if (!(value >= 0 && value <= 1)) throw new UsageError(`\`${name}\` is ${value}`, 'use a number from 0 to 1');
  }
  if (nonePrompts.some((prompt) => prompt.trim() === ''))
    throw new LabelsError('a background prompt is empty', 'write a prompt for what else the images might show');
  if (multiLabel && minMargin > 0)
    throw new UsageError(
      '`minMargin` does not work with `multiLabel`, because labels are scored independently',
      'remove one of them',
    );
  if (level !== undefined && !(Number.isInteger(level) && level >= 1))
    throw new UsageError(`\`level\` is ${level}`, 'use a whole number from 1');
  if (level !== undefined && leaves.length === nodes.length)
    throw new LabelsError(
      'no label has a parent, so there are no levels',
      'remove `level`, or use labels with parents',
    );
  const thresholds = nodes.map((label) => label.threshold ?? threshold);
  const byLevel = level === undefined ? undefined : cutAtLevel(tree, level);
  const canRise = !multiLabel && leaves.length < nodes.length && thresholds.some((value) => value > 0);
  const namesOf = (cut: Cut) => cut.map((n) => (nodes[n] as Label).label);
  return {
    names: namesOf(byLevel ?? [...(canRise ? nodes : leaves).keys()]),
    cut: ({ scores }) => byLevel ?? (canRise ? deepestCut(tree, scores, thresholds) : undefined),
    of: (cut) => ({
      names: namesOf(cut),
      thresholds: cut.map((n) => thresholds[n] as number),
      minMargin,
      none: none !== false || nonePrompts.length > 0,
      several: multiLabel,
    }),
  };
}
