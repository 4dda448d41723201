import { InvalidArgumentError } from 'commander';

/** A whole number from 1 to `most`, for commander. */
export function wholeNumber(most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/u.test(text) && value >= 1 && value <= most) return value;
    throw new InvalidArgumentError(`use a whole number from 1 to ${most}.`);
  };
}

/** `--top`: a whole number, or every label. */
export function topCount(text: string): number {
  return text === 'all' ? Number.POSITIVE_INFINITY : wholeNumber(1_000_000)(text);
}

/** A repeatable option: each use adds what it parses to, to the list. */
export function collect<T>(
  parse: (text: string) => readonly T[],
): (text: string, previous: readonly T[] | undefined) => readonly T[] {
  return (text, previous = []) => [...previous, ...parse(text)];
}

/** A repeatable option: each use adds itself to the list. */
export const collectOne = collect((text) => [text]);

/** `--output`: elsewhere `-` is standard output; here none is. */
export function outputFile(text: string): string {
  if (text !== '-') return text;
  throw new InvalidArgumentError('remove the option to write to standard output.');
}

/** `--device`: 0 is the first. */
export function deviceNumber(text: string): number {
  return text === '0' ? 0 : wholeNumber(255)(text);
}

/** `--logit-bias`: any number. */
export function anyNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('use a number.');
}

/** `--logit-scale`: any number above 0. */
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
