import { oneLine } from '../errors.ts';
import { wilson } from '../evaluate.ts';
import type { Lesson } from '../learn/learn.ts';
import type { Learned } from '../learn/learned.ts';
import { percent, reportJson } from './evaluation.ts';

/** The most classes or pairs that a warning names. */
const NAMED = 5;

/** The report for people: the leave-one-out figures, and the written files. */
export function lessonText(learned: Learned, lesson: Lesson | undefined, written: readonly string[]): string {
  const { labels, weights } = learned;
  const pictures = labels.reduce((sum, label) => sum + label.pictures, 0);
  const lines = [
    ...(lesson === undefined ? [] : figures(lesson)),
    `${labels.length} ${labels.length === 1 ? 'class' : 'classes'}, ${pictures} ${pictures === 1 ? 'image' : 'images'}; weight of words ${weights.words.toPrecision(2)}, of images ${weights.pictures.toPrecision(2)}`,
    ...written.map((file) => `wrote ${oneLine(file)}`),
  ];
  return `${lines.join('\n')}\n`;
}

function figures({ leftOut, images }: Lesson): string[] {
  if (leftOut === null)
    return [`no class has two images: nothing can be left out, so the accuracy is not known (${images} images)`];
  const { zeroShot, learned, pictures } = leftOut;
  return [
    `zero-shot ${percent(zeroShot.accuracy)}, learned ${percent(learned.accuracy)} ± ${margin(learned.accuracy, pictures)} (leave-one-out, ${pictures} images)`,
    `calibration error: zero-shot ${zeroShot.ece.toFixed(3)}, learned ${learned.ece.toFixed(3)}`,
  ];
}

/** Half of the 95 % interval, in percentage points. */
function margin(accuracy: number, pictures: number): string {
  const interval = wilson(accuracy * pictures, pictures);
  return interval === null ? '–' : (((interval.high - interval.low) / 2) * 100).toFixed(1);
}

/** The report for programs. */
export function lessonJson(learned: Learned, lesson: Lesson | undefined, written: readonly string[]): string {
  const { model, labels, templates, weights } = learned;
  const leftOut = lesson?.leftOut ?? null;
  return reportJson({
    model,
    templates,
    labels,
    weights,
    images: lesson?.images ?? 0,
    failed: lesson?.failures.length ?? 0,
    distinct: lesson?.distinct ?? null,
    leaveOneOut: leftOut && {
      ...leftOut,
      interval: wilson(leftOut.learned.accuracy * leftOut.pictures, leftOut.pictures),
    },
    warnings: lesson === undefined ? [] : warningsOf(lesson),
    written,
  });
}

/** Warnings about the examples. */
export function warningsOf({ learned, leftOut, images, distinct, contradictions, failures }: Lesson): string[] {
  const warnings = failures.map(({ error }) => `${error.code}: ${error.message}`);
  const withCount = (count: number) =>
    learned.labels.filter(({ pictures }) => pictures === count).map(({ label }) => `"${label}"`);
  const [none, single] = [withCount(0), withCount(1)];
  if (none.length > 0) warnings.push(`${listed(none)}: no image, so only the word is used`);
  if (single.length > 0)
    warnings.push(`${listed(single)}: only 1 image, so it cannot be tested by leave-one-out; add a second`);
  if (distinct < images)
    warnings.push(
      `${images} images are ${distinct} distinct ones: near-identical images of a class count as 1 image; add more varied ones`,
    );
  for (const [a, b] of contradictions.slice(0, NAMED))
    warnings.push(`${a} and ${b} are the same image in two classes; remove one of them`);
  if (contradictions.length > NAMED) warnings.push(`${contradictions.length - NAMED} more images are in two classes`);
  for (const { label, by, pictures, of } of (leftOut?.swallowed ?? []).slice(0, NAMED))
    warnings.push(`"${label}" is taken for "${by}" in ${pictures} of ${of} images; check both classes, or merge them`);
  return warnings;
}

function listed(names: readonly string[]): string {
  const more = names.length - NAMED;
  return more > 0 ? `${names.slice(0, NAMED).join(', ')} and ${more} more classes` : names.join(', ');
}
