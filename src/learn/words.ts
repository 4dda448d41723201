import { l2Normalize, row, type UnitRows } from '../tensor.ts';
import type { LearnedLabel } from './learned.ts';

/**
 * Replaces the text embedding of each label whose word does not help by the mean of the other words, which is equally near to all
 * pictures.
 *
 * @param rows [C, D]
 */
export function neutralWhereWordless(rows: UnitRows, labels: readonly Pick<LearnedLabel, 'words'>[]): UnitRows {
  const said = labels.flatMap(({ words }, c) => (words ? [c] : []));
  if (said.length === 0 || said.length === labels.length) return rows;
  const data = rows.data.slice();
  for (const [c, { words }] of labels.entries()) {
    if (words) continue;
    for (let d = 0; d < rows.columns; d++)
      data[c * rows.columns + d] = said.reduce((sum, other) => sum + (row(rows, other)[d] as number) / said.length, 0);
  }
  return l2Normalize({ ...rows, data });
}
