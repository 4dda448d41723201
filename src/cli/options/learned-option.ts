import { UsageError } from '../../errors.ts';
import type { Learned } from '../../learn/learned.ts';
import type { LabelOptions } from './label-options.ts';
import { isLearnedFile } from './label-options.ts';

/**
 * The learned classifier of `--labels @kinds.clf.json`.
 *
 * @returns undefined if the labels are words
 * @throws UsageError if other labels are given next to the file; LabelsError if the file cannot be read
 */
export async function givenLearned({ labels = [], labelsFile = [] }: LabelOptions): Promise<Learned | undefined> {
  const path = learnedPath(labels);
  if (path === undefined) return undefined;
  if (labels.length > 1 || labelsFile.length > 0)
    throw new UsageError(
      `--labels @${path} is a whole classifier, and more labels are given`,
      `remove them, or add them to the file: clip-classify learn ${path} --add <folder>`,
    );
  return (await import('../../learn/file.ts')).readLearned(path);
}

/** The file name in `@file.clf.json`, if one of the labels has this form. */
export function learnedPath(labels: readonly string[]): string | undefined {
  const named = labels.map((label) => label.trim()).find((label) => label.startsWith('@') && isLearnedFile(label));
  return named?.slice(1);
}
