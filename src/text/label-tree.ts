import { LabelsError } from '../errors.ts';
import type { Label } from './labels.ts';

/**
 * Labels with parents. Leaves are scored. A group, which is a label with children, gets the sum of the leaves below it.
 * Nodes are numbered: leaves from 0 to L − 1, groups from L on.
 */
export interface LabelTree {
  /** [L] */
  readonly leaves: readonly Label[];
  /** [L + G] leaves, then groups */
  readonly nodes: readonly Label[];
  /** [L + G] number of the parent, or -1 */
  readonly parents: readonly number[];
  /** [L + G] 1 for a label without a parent */
  readonly depths: readonly number[];
  /** [L + G] the leaves below each node; for a leaf, the leaf itself */
  readonly members: readonly (readonly number[])[];
}

/**
 * @param labels as checkLabels gives them: each parent is one of them
 * @throws LabelsError if a label is its own parent, directly or through others
 */
export function labelTree(labels: readonly Label[]): LabelTree {
  const named = new Set(labels.flatMap(({ parent }) => (parent === undefined ? [] : [parent])));
  const leaves = labels.filter(({ label }) => !named.has(label));
  const nodes = [...leaves, ...labels.filter(({ label }) => named.has(label))];
  const number = new Map(nodes.map(({ label }, n) => [label, n]));
  const parents = nodes.map(({ parent }) => (parent === undefined ? -1 : (number.get(parent) as number)));
  const members = nodes.map((_, n): number[] => (n < leaves.length ? [n] : []));
  const depths = nodes.map((node, n) => {
    let depth = 1;
    for (let above = parents[n] as number; above >= 0; above = parents[above] as number) {
      if (n < leaves.length) members[above]?.push(n);
      if (++depth > nodes.length)
        throw new LabelsError(`"${node.label}" is its own parent`, 'remove the parent of one of the labels');
    }
    return depth;
  });
  return { leaves, nodes, parents, depths, members };
}
