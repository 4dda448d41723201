import { readFile } from 'node:fs/promises';
import { LabelsError, messageOf, oneLine } from '../errors.ts';

/** `cat, dog\, wet` → `cat` and `dog, wet`. */
export function splitLabels(list: string): string[] {
  return list.split(/(?<!\\),/u).map((label) => label.replaceAll('\\,', ','));
}

/** One label a line; a line that begins with `#` is a comment; a byte-order mark, CRLF and blank lines are fine. */
export function parseLabelLines(text: string): string[] {
  return text
    .replace(/^\uFEFF/u, '')
    .split(/\r\n|\n|\r/u)
    .filter((line) => line.trim() !== '' && !line.startsWith('#'));
}

/**
 * The labels of a text file.
 *
 * @throws LabelsError if it cannot be read or holds none
 */
export async function readLabelsFile(path: string): Promise<string[]> {
  if (/\.(json|csv)$/iu.test(path)) {
    throw new LabelsError(`the labels file ${path} is not a text file`, 'give a .txt with one label a line');
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (error) {
    throw new LabelsError(
      `the labels file ${path} cannot be read: ${messageOf(error)}`,
      'check the path, and that it is UTF-8',
      error,
    );
  }
  if (text.includes('\0')) throw new LabelsError(`the labels file ${path} holds zero bytes`, 'save it as UTF-8');
  const labels = parseLabelLines(text);
  if (labels.length === 0) throw new LabelsError(`the labels file ${path} holds no label`, 'write one label a line');
  return labels;
}

/**
 * Trims the labels and refuses what cannot be ranked.
 *
 * @throws LabelsError if there is none, one is empty, or one is there twice (compared without case)
 */
export function checkLabels(given: readonly string[]): string[] {
  const labels = given.map((label) => label.trim());
  if (labels.length === 0) throw new LabelsError('no labels', 'say what the images might show: --labels cat,dog');
  const seen = new Map<string, string>();
  for (const [n, label] of labels.entries()) {
    if (label === '')
      throw new LabelsError(`label ${n + 1} of ${labels.length} is empty`, 'remove the spare comma or quotes');
    const same = seen.get(label.toLowerCase());
    if (same !== undefined) {
      const pair = same === label ? `"${label}" is there twice` : `"${same}" and "${label}" are the same label`;
      throw new LabelsError(oneLine(pair), 'keep one of them');
    }
    seen.set(label.toLowerCase(), label);
  }
  return labels;
}
