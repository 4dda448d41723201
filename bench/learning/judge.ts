import { learnEmbedded } from '../../src/learn/learn.ts';
import { pictureEvidence } from '../../src/learn/learned.ts';
import { cosines, l2Normalize, softmax, stack, type UnitRows } from '../../src/tensor.ts';
import type { Embeddings } from './embeddings.ts';

export type Scored = readonly (readonly [score: number, right: 0 | 1])[];

/** Shares of the test pictures. */
export interface Verdict {
  readonly zeroShot: number;
  readonly learned: number;
  /** `learn --no-text` */
  readonly alone: number;
  /** The best score of each test picture and whether it is right, before and after learning. */
  readonly scored: readonly [Scored, Scored];
}

/** Learns from the examples of a draw and tests the rest. A class without an example is scored by its words only. */
export async function judge(
  set: Embeddings,
  { examples, tests }: { readonly examples: readonly number[]; readonly tests: readonly number[] },
): Promise<Verdict> {
  const part = [...new Set([...examples, ...tests].map((n) => set.labels[n] as number))].sort((a, b) => a - b);
  const labels = part.map((c) => set.classes[c] as string);
  const picture = (n: number) => rowAt(set.pictures, n, set.width);
  const words = stack(part.map((c) => rowAt(set.words, c, set.width)));
  const clip = {
    name: 'starter',
    logitScale: set.logitScale,
    digest: async () => '',
    encodeLabels: async () => ({ rows: words, truncated: [] }),
  };
  async function* given() {
    for (const n of examples)
      yield {
        embedded: { ok: true, image: `${n}`, embedding: picture(n) } as const,
        label: set.classes[set.labels[n] as number] as string,
      };
  }
  const truth = tests.map((n) => part.indexOf(set.labels[n] as number));
  const scores = (evidence?: ReturnType<typeof pictureEvidence>) =>
    tests.map((n) => {
      const unseen = picture(n);
      const seen = evidence?.logits(unseen.data);
      const scale = set.logitScale * (evidence?.words ?? 1);
      return softmax(Float64Array.from(cosines(unseen, words).data, (cosine, c) => scale * cosine + (seen?.[c] ?? 0)));
    });
  const { learned } = await learnEmbedded(clip, given(), { labels });
  const lost = part.some((c) => !examples.some((n) => set.labels[n] === c));
  const alone = lost ? undefined : await learnEmbedded(clip, given(), { labels, words: false });
  const [before, after] = [scores(), scores(pictureEvidence(learned))];
  return {
    zeroShot: accuracy(before, truth),
    learned: accuracy(after, truth),
    alone: alone === undefined ? Number.NaN : accuracy(scores(pictureEvidence(alone.learned)), truth),
    scored: [scored(before, truth), scored(after, truth)],
  };
}

function rowAt(data: Float32Array, n: number, columns: number): UnitRows {
  return l2Normalize({ rows: 1, columns, data: data.slice(n * columns, (n + 1) * columns) });
}

function best(scores: Float64Array): number {
  return scores.reduce((most, score, c) => (score > (scores[most] as number) ? c : most), 0);
}

function accuracy(scores: readonly Float64Array[], truth: readonly number[]): number {
  return scores.filter((row, n) => best(row) === truth[n]).length / scores.length;
}

function scored(scores: readonly Float64Array[], truth: readonly number[]): Scored {
  return scores.map((row, n) => [Number((row[best(row)] as number).toFixed(5)), best(row) === truth[n] ? 1 : 0]);
}
