import type { Scores } from './ranking.ts';
import type { LabelTree } from './text/label-tree.ts';

/** Nodes of a tree, by number, so that each leaf is one of them or below exactly one of them. */
export type Cut = readonly number[];

/** The labels of one level; level 1 has the labels without a parent. A branch that ends above the level counts with its last label. */
export function cutAtLevel({ leaves, depths }: LabelTree, level: number): Cut {
  return [...depths.keys()].filter((n) => depths[n] === level || (n < leaves.length && (depths[n] as number) < level));
}

/**
 * The cut with the deepest label that reaches its threshold. This is all leaves, unless the best such label is a group: then the
 * group takes the place of its leaves.
 *
 * @param scores [L] of the leaves; the score of a group is the sum of its leaves
 * @param thresholds [L + G]
 */
export function deepestCut(tree: LabelTree, scores: Float64Array, thresholds: readonly number[]): Cut {
  const { leaves, nodes, parents, members } = tree;
  const sums = members.map((below) => below.reduce((sum, leaf) => sum + (scores[leaf] as number), 0));
  const reaches = (n: number) => (sums[n] as number) >= (thresholds[n] as number);
  const isAbove = new Set<number>();
  for (const n of nodes.keys())
    if (reaches(n)) for (let up = parents[n] as number; up >= 0; up = parents[up] as number) isAbove.add(up);
  const deepest = [...nodes.keys()].filter((n) => reaches(n) && !isAbove.has(n));
  const best = deepest.reduce((a, b) => ((sums[b] as number) > (sums[a] ?? Number.NEGATIVE_INFINITY) ? b : a), -1);
  const all = [...leaves.keys()];
  if (best < leaves.length) return all;
  const below = new Set(members[best]);
  return [best, ...all.filter((leaf) => !below.has(leaf))];
}

/**
 * The scores of the labels of a cut. The score of a group is the sum of the scores below it. Its logit is the logarithm of
 * the sum of their exponentials, and its cosine is the greatest one below it. With `multiLabel`, the score and logit of a group
 * are also the greatest below it.
 *
 * @param scores of the leaves
 */
export function scoresOfCut(scores: Scores, { members }: LabelTree, cut: Cut, multiLabel: boolean): Scores {
  const groups = cut.map((n) => members[n] as readonly number[]);
  const greatest = (values: ArrayLike<number>) => (below: readonly number[]) =>
    below.reduce((most, leaf) => Math.max(most, values[leaf] as number), Number.NEGATIVE_INFINITY);
  const sum = (below: readonly number[]) => below.reduce((total, leaf) => total + (scores.scores[leaf] as number), 0);
  const logSum = (below: readonly number[]) => {
    const most = greatest(scores.logits)(below);
    return most + Math.log(below.reduce((total, leaf) => total + Math.exp((scores.logits[leaf] as number) - most), 0));
  };
  return {
    ...scores,
    cosines: Float32Array.from(groups, greatest(scores.cosines)),
    logits: Float64Array.from(groups, multiLabel ? greatest(scores.logits) : logSum),
    scores: Float64Array.from(groups, multiLabel ? greatest(scores.scores) : sum),
  };
}
