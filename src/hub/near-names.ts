import { distance } from 'fastest-levenshtein';
import { modelCards, namesOf } from './registry.ts';

/** The most names. */
const MOST = 3;

/** The names of cards that a text may mean, nearest first: with typing errors, or a part of a name. */
export async function nearNames(text: string): Promise<string[]> {
  const wanted = plain(text);
  if (wanted === '') return [];
  const scored = (await modelCards()).map((card) => {
    const scores = namesOf(card).map((name) => {
      const known = plain(name);
      if (wanted.length >= 3 && known.includes(wanted)) return 0;
      return distance(wanted, known) / Math.max(wanted.length, known.length);
    });
    return { name: card.name, score: Math.min(...scores) };
  });
  const near = scored.filter(({ score }) => score <= 0.34).sort((a, b) => a.score - b.score);
  return near.slice(0, MOST).map(({ name }) => name);
}

/** `ViT-B/32` and `vit_b_32` are the same word. */
function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/gu, '');
}
