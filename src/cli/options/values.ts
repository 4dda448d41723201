import { InvalidArgumentError } from 'commander';
import { parseColour } from '../../image/colour.ts';
import type { Colour } from '../../image/decode-options.ts';

/** A whole number from 1 to `most`, for commander. */
export function wholeNumber(most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/u.test(text) && value >= 1 && value <= most) return value;
    throw new InvalidArgumentError(`use a whole number from 1 to ${most}.`);
  };
}

/** `--top`: a whole number, or "all". */
export function topCount(text: string): number {
  return text === 'all' ? Number.POSITIVE_INFINITY : wholeNumber(1_000_000)(text);
}

const collectors = new WeakSet<object>();

/** A repeatable option: each use adds its parsed values to the list. */
export function collect<T>(
  parse: (text: string) => readonly T[],
): (text: string, previous: readonly T[] | undefined) => readonly T[] {
  const collector = (text: string, previous: readonly T[] = []) => [...previous, ...parse(text)];
  collectors.add(collector);
  return collector;
}

/** Whether an option may be given more than once. */
export function isRepeatable({ parseArg }: { readonly parseArg?: object | undefined }): boolean {
  return parseArg !== undefined && collectors.has(parseArg);
}

/** A repeatable option: each use adds its value to the list. */
export const collectOne = collect((text) => [text]);

/** `--output`. */
export function outputFile(text: string): string {
  if (text !== '') return text;
  throw new InvalidArgumentError('the name of the file is empty.');
}

/** Names of standard output. It must not be opened as a file, because that would truncate it. */
export function isStandardOutput(file: unknown): boolean {
  return file === '-' || (typeof file === 'string' && /^\/(dev\/(stdout|fd\/1)|proc\/self\/fd\/1)$/u.test(file));
}

/** `--page`: the number of a page, from 1, or "all". */
export function pageNumber(text: string): number | 'all' {
  return text === 'all' ? 'all' : wholeNumber(1_000_000)(text);
}

/** `--background-colour`. */
export function colour(text: string): Colour {
  const parsed = parseColour(text);
  if (parsed !== undefined) return parsed;
  throw new InvalidArgumentError('use a name such as white, or #rrggbb.');
}

/** `--device`: 0 is the first. */
export function deviceNumber(text: string): number {
  if (/^\d{1,3}$/u.test(text) && Number(text) <= 255) return Number(text);
  throw new InvalidArgumentError(
    'a whole number from 0 to 255 is needed; --provider cpu or cuda chooses what to run on.',
  );
}

/** `--logit-bias`: a number. */
export function anyNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('use a number.');
}

/** `--logit-scale`: a number above 0. */
export function positiveNumber(text: string): number {
  const value = anyNumber(text);
  if (value > 0) return value;
  throw new InvalidArgumentError('use a number above 0.');
}

/** A score or a difference of scores: a number from 0 to 1. */
export function share(text: string): number {
  const value = anyNumber(text);
  if (value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('use a number from 0 to 1.');
}
