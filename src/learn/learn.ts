import type { Clip } from '../clip.ts';
import type { Embedded } from '../embed/encoder.ts';
import { type ImageError, LabelsError, UsageError } from '../errors.ts';
import type { DecodeOptions } from '../image/decode-options.ts';
import type { ImageInput } from '../image/given.ts';
import { row, stack, type UnitRows } from '../tensor.ts';
import { checkLabels, type Label } from '../text/labels.ts';
import { expandTemplates, promptsOf } from '../text/prompts.ts';
import { contradictions, type Examples, groupBursts, select } from './bursts.ts';
import { leaveOneOut, priorOf } from './discriminant.ts';
import type { Learned, LearnedLabel } from './learned.ts';
import { judgeLeftOut, type LeftOut } from './left-out.ts';
import { multiply } from './products.ts';
import { addStatistics, type ClassStatistics, statisticsOf, withClasses } from './statistics.ts';
import { chooseWeights, type Evidence } from './weights.ts';
import { neutralWhereWordless } from './words.ts';

/** An image and its label. */
export interface Example {
  readonly image: ImageInput;
  readonly label: string;
}

export interface LearnOptions extends Partial<DecodeOptions> {
  /** Prompt templates or names of template sets. @default ['photo'] */
  readonly templates?: readonly string[];
  /** Whether the words of the labels are also used. @default true */
  readonly words?: boolean;
  /** All labels in the order of the classifier. A label without examples is known by its word only. @default the labels of the examples */
  readonly labels?: readonly (string | Label)[];
  /** A classifier to which the examples are added. Its own pictures are not needed. */
  readonly onto?: Learned;
}

/** A learned classifier and facts about its examples. */
export interface Lesson {
  readonly learned: Learned;
  /** Images that could be read. */
  readonly images: number;
  readonly failures: readonly { readonly image: string; readonly error: ImageError }[];
  /** Pictures after each burst was replaced by its mean. */
  readonly distinct: number;
  /** The leave-one-out figures; null if no class has two pictures. */
  readonly leftOut: LeftOut | null;
  /** Pairs of identical images in two classes. */
  readonly contradictions: readonly (readonly [string, string])[];
}

/** The most pictures that are left out. More would take longer without better figures. */
const MOST_LEFT_OUT = 2_000;

/**
 * Learns a classifier from a few labelled images on frozen embeddings. Its logits are the zero-shot logits plus those of a Gaussian
 * discriminant on the images, each with a weight. Exact leave-one-out chooses the two weights; everything else is closed form.
 *
 * @throws LabelsError or UsageError if the labels or the examples cannot be used; ModelError if the model cannot run
 */
export async function learn(
  clip: Clip,
  examples: Iterable<Example> | AsyncIterable<Example>,
  options: LearnOptions = {},
): Promise<Lesson> {
  const { templates, words, labels, onto, ...decoding } = options;
  const names: string[] = [];
  async function* images() {
    for await (const { image, label } of examples) {
      names.push(label);
      yield image;
    }
  }
  const embedded = clip.encodeImages(images(), decoding);
  async function* labelled() {
    for await (const one of embedded) yield { embedded: one, label: names.shift() as string }; // results are in order, one for each image
  }
  return learnEmbedded(clip, labelled(), options);
}

/** Learns from images that this model has embedded. */
export async function learnEmbedded(
  clip: Pick<Clip, 'name' | 'digest' | 'logitScale' | 'encodeLabels'>,
  examples: AsyncIterable<{ readonly embedded: Embedded; readonly label: string }>,
  { templates, words = true, labels: given, onto }: LearnOptions = {},
): Promise<Lesson> {
  const read = await readAll(examples);
  if (read.rows.length === 0) throw new UsageError('there is no image to learn from', 'add images of each class');
  const labels = labelsOf(given ?? [...new Set(read.labels)].sort(), words, onto);
  const number = new Map(labels.map(({ label }, c) => [label, c]));
  const classes = read.labels.map((label) => {
    const c = number.get(label);
    if (c === undefined) throw new LabelsError(`"${label}" is not one of the labels`, 'add it to the labels');
    return c;
  });
  const all: Examples = { pictures: stack(read.rows), classes };
  const examplesOnce = groupBursts(all);
  const statistics = gather(examplesOnce, labels, onto);
  const counted = labels.map((one, c) => ({
    ...one,
    pictures: one.pictures + classes.filter((other) => other === c).length,
  }));
  const lost = counted.find((one) => !one.words && one.pictures === 0);
  if (lost !== undefined)
    throw new LabelsError(`"${lost.label}" has neither images nor a word`, 'add images of it, or remove the label');

  const used = onto?.templates ?? expandTemplates(templates ?? ['photo']);
  const { rows } = await clip.encodeLabels(counted.map((label) => promptsOf(label, used)));
  const text = neutralWhereWordless(rows, counted);
  const prior = onto?.prior ?? priorOf(statistics);
  const { evidence, tested } = evidenceOf(examplesOnce, statistics, prior, text, clip.logitScale);
  const withWords = counted.some((one) => one.words);
  const weights =
    onto?.weights ?? chooseWeights(withWords ? evidence : { ...evidence, words: undefined }, statistics.width);
  const leftOut = await judgeLeftOut(evidence, tested, weights, counted);
  return {
    learned: {
      model: { name: clip.name, digest: await clip.digest() },
      labels: counted,
      templates: used,
      statistics,
      prior,
      weights,
      leaveOneOut: leftOut && { pictures: leftOut.pictures, zeroShot: leftOut.zeroShot, learned: leftOut.learned },
    },
    images: read.rows.length,
    failures: read.failures,
    distinct: examplesOnce.classes.length,
    leftOut,
    contradictions: contradictions(all).map(([a, b]) => [read.names[a] as string, read.names[b] as string]),
  };
}

async function readAll(examples: AsyncIterable<{ readonly embedded: Embedded; readonly label: string }>) {
  const rows: UnitRows[] = [];
  const labels: string[] = [];
  const names: string[] = [];
  const failures: { image: string; error: ImageError }[] = [];
  for await (const { embedded, label } of examples) {
    if (!embedded.ok) {
      failures.push({ image: embedded.image, error: embedded.error });
      continue;
    }
    rows.push(embedded.embedding);
    labels.push(label);
    names.push(embedded.image);
  }
  return { rows, labels, names, failures };
}

/** The labels of the classifier that is extended stay in their order. New labels come after them. */
function labelsOf(given: readonly (string | Label)[], words: boolean, onto: Learned | undefined): LearnedLabel[] {
  const old = onto?.labels ?? [];
  const known = new Set(old.map(({ label }) => label));
  const fresh = given
    .map((one): Label => (typeof one === 'string' ? { label: one } : withoutParent(one)))
    .filter(({ label }) => !known.has(label));
  const checked = new Map(checkLabels([...old, ...fresh]).map((one) => [one.label, one]));
  const added = [...checked.values()].filter(({ label }) => !known.has(label));
  return [...old, ...added.map((one) => ({ ...one, pictures: 0, words }))];
}

/** The label without its parent, because each class is learned independently. */
function withoutParent({ parent: _, ...label }: Label): Label {
  return label;
}

function gather(examples: Examples, labels: readonly LearnedLabel[], onto: Learned | undefined): ClassStatistics {
  const fresh = statisticsOf(examples.pictures, examples.classes, labels.length);
  if (onto === undefined) return fresh;
  const from = labels.map((_, c) => (c < onto.labels.length ? c : -1));
  return addStatistics(withClasses(onto.statistics, from), fresh);
}

/** The scores of each example by a classifier that has not seen it. */
function evidenceOf(
  { pictures, classes }: Examples,
  statistics: ClassStatistics,
  prior: ReturnType<typeof priorOf>,
  text: UnitRows,
  logitScale: number,
): { readonly evidence: Evidence; readonly tested: readonly number[] } {
  const classCount = statistics.counts.length;
  const several = [...classes.keys()].filter((n) => (statistics.counts[classes[n] as number] as number) > 1);
  const step = Math.max(1, several.length / MOST_LEFT_OUT);
  const tested = several.filter((_, at) => Math.floor(at / step) !== Math.floor((at - 1) / step));
  const single = [...classes.keys()]
    .filter((n) => statistics.counts[classes[n] as number] === 1)
    .slice(0, MOST_LEFT_OUT);
  const used = [...tested, ...single];
  const chosen = select(pictures, used);
  const scores = leaveOneOut(
    statistics,
    prior,
    select(pictures, tested),
    tested.map((n) => classes[n] as number),
  );
  const words = new Float64Array(used.length * classCount);
  for (let n = 0; n < used.length; n++) {
    const cosines = words.subarray(n * classCount, (n + 1) * classCount);
    multiply(text.data, row(chosen, n), cosines);
    for (let c = 0; c < classCount; c++) cosines[c] = logitScale * (cosines[c] as number);
  }
  return {
    evidence: {
      classCount,
      classes: used.map((n) => classes[n] as number),
      words,
      pictures: used.map((_, n) =>
        n < tested.length ? scores.subarray(n * classCount, (n + 1) * classCount) : undefined,
      ),
    },
    tested: tested.map((_, n) => n),
  };
}

/** The classifier without some of its classes. @throws LabelsError if it has no such class, or if no class would be left */
export function withoutClasses(learned: Learned, names: readonly string[]): Learned {
  const unknown = names.find((name) => !learned.labels.some(({ label }) => label === name));
  if (unknown !== undefined)
    throw new LabelsError(
      `the classifier has no class "${unknown}"`,
      `use one of ${learned.labels.map(({ label }) => `"${label}"`).join(', ')}`,
    );
  if (names.length === 0) return learned;
  const kept = [...learned.labels.keys()].filter((c) => !names.includes((learned.labels[c] as LearnedLabel).label));
  if (kept.length === 0) throw new LabelsError('no class would be left', 'keep at least one');
  return {
    ...learned,
    labels: kept.map((c) => learned.labels[c] as LearnedLabel),
    statistics: withClasses(learned.statistics, kept),
    leaveOneOut: null, // it was measured with other classes
  };
}
