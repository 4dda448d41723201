import type { Preprocessing } from '../image/preprocess.ts';
import type { ModelCard } from './registry.ts';

/** What a repository's own files say, once they are here. */
export interface Facts {
  readonly preprocessing: Preprocessing;
  readonly scoring: { readonly logitScale: number; readonly logitBias?: number } | undefined;
}

/** float32, and what configs are rounded to. */
const TOLERANCE = 1e-4;

/**
 * Checks a card at the first pull: what it says of preprocessing and scores against the repository's files.
 *
 * @returns one line for each difference; the repository's files are what counts
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
