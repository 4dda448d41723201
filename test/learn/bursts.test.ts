import { expect, it } from 'vitest';
import { contradictions, groupBursts } from '../../src/learn/bursts.ts';
import { l2Normalize, row } from '../../src/tensor.ts';
import { madeUpPictures } from './examples.ts';

const { pictures, classes } = madeUpPictures([4, 2], 24);
/** The pictures, and a slightly changed copy of the first. */
const again = (moved: number) => {
  const copy = row(pictures, 0).map((value, d) => value + moved * Math.sin(d));
  return l2Normalize({ rows: 7, columns: 24, data: Float32Array.from([...pictures.data, ...copy]) });
};

it('near-identical pictures of a class become one, different ones stay', () => {
  const grouped = groupBursts({ pictures: again(0.01), classes: [...classes, 0] });
  expect(grouped.classes).toEqual(classes);
  expect(groupBursts({ pictures, classes }).pictures).toBe(pictures);
});

it('near-identical pictures of two classes stay apart', () => {
  expect(groupBursts({ pictures: again(0.01), classes: [...classes, 1] }).classes).toHaveLength(7);
});

it('the same picture in two classes is found', () => {
  expect(contradictions({ pictures: again(0), classes: [...classes, 1] })).toEqual([[0, 6]]);
  expect(contradictions({ pictures: again(0), classes: [...classes, 0] })).toEqual([]);
});
