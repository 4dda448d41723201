import type { Classifier, ClassifyOptions } from '../../classifier.ts';
import { LabelsError } from '../../errors.ts';
import type { Judged } from '../../evaluate.ts';
import type { Label } from '../../text/labels.ts';
import { foldLabel } from '../../text/same-label.ts';
import type { LabelledImage } from './truth-csv.ts';

/**
 * The label of each class: the same word as the label or one of its aliases, ignoring case.
 *
 * @throws LabelsError naming the classes that are not among the labels
 */
export function matchClasses(classes: readonly string[], labels: readonly Label[]): ReadonlyMap<string, string> {
  const known = new Map<string, string>();
  for (const { label, aliases = [] } of labels) for (const alias of aliases) known.set(foldLabel(alias), label);
  for (const { label } of labels) known.set(foldLabel(label), label);
  const matched = new Map<string, string>();
  const missing: string[] = [];
  for (const name of classes) {
    const label = known.get(foldLabel(name));
    if (label === undefined) missing.push(`"${name}"`);
    else matched.set(name, label);
  }
  if (missing.length === 0) return matched;
  const named =
    missing.length > 5 ? `${missing.slice(0, 5).join(', ')} and ${missing.length - 5} more` : missing.join(', ');
  throw new LabelsError(
    `these classes are missing from the labels: ${named}`,
    'add them to the labels, or remove --labels and --labels-file',
  );
}

/**
 * The ranked label of each class: a class below a ranked label counts as this label.
 *
 * @param ranked the labels that results can have
 * @throws LabelsError if a class is more general than the ranked labels
 */
export function raiseClasses(
  matched: ReadonlyMap<string, string>,
  labels: readonly Label[],
  ranked: readonly string[],
): ReadonlyMap<string, string> {
  const parents = new Map(labels.map(({ label, parent }) => [label, parent]));
  const known = new Set(ranked);
  const raise = (name: string): string => {
    for (let label: string | undefined = name; label !== undefined; label = parents.get(label))
      if (known.has(label)) return label;
    throw new LabelsError(
      `the class "${name}" is wider than the labels that are ranked`,
      'add --level 1, or --threshold',
    );
  };
  return new Map([...matched].map(([name, label]) => [name, raise(label)]));
}

/** Pairs each result with the true label of the image. Reads ahead no further than the classifier. */
export async function* judge(
  classifier: Pick<Classifier, 'classify'>,
  images: AsyncIterable<LabelledImage>,
  names: ReadonlyMap<string, string>,
  options: ClassifyOptions,
): AsyncGenerator<Judged & { readonly key: string }> {
  const waiting: LabelledImage[] = [];
  async function* sources() {
    for await (const image of images) {
      waiting.push(image);
      yield image.source;
    }
  }
  for await (const result of classifier.classify(sources(), options)) {
    const { label, key } = waiting.shift() as LabelledImage; // results come in order, one for each image
    yield { result, truth: names.get(label) ?? label, key };
  }
}
