import type { Preprocessing } from '../image/preprocess.ts';
import type { ModelCard } from './registry.ts';

/** The values in the downloaded files of a repository. */
export interface Facts {
  readonly preprocessing: Preprocessing;
  readonly scoring: { readonly logitScale: number; readonly logitBias?: number } | undefined;
}

/** Tolerance for float32 and for rounded values in configs. */
const TOLERANCE = 1e-4;

/**
 * Compares the preprocessing and scoring of a card with the files of the repository, at the first download.
 *
 * @returns one line for each difference; the values of the files are used
 */
export function contradictions(card: ModelCard, { preprocessing, scoring }: Facts): string[] {
  const { size, fit, interpolation, mean, std } = card.preprocessing;
  const pairs: readonly [string, unknown, unknown][] = [
    ['size', size, preprocessing.size],
    ['fit', fit, preprocessing.fit],
    ['interpolation', interpolation, preprocessing.filter],
    ['mean', mean, preprocessing.mean],
    ['std', std, preprocessing.std],
    ['logit scale', card.scoring.logitScale ?? scoring?.logitScale, scoring?.logitScale],
    ['logit bias', card.scoring.logitBias ?? scoring?.logitBias, scoring?.logitBias],
  ];
  return pairs
    .filter(([, claimed, found]) => found !== undefined && !isSame(claimed, found))
    .map(([what, claimed, found]) => {
      const says = `the repository of ${card.name} says ${what} ${JSON.stringify(found)}`;
      return `${says}, its model card ${JSON.stringify(claimed)}: the repository's is used`;
    });
}

function isSame(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number') return Math.abs(a - b) <= TOLERANCE * Math.max(1, Math.abs(a));
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((value, i) => isSame(value, b[i]));
  return a === b;
}
