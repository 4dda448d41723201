import { describe, expect, it } from 'vitest';
import { doubts, nearPairs } from '../../src/embed/doubts.ts';
import { cosines, l2Normalize } from '../../src/tensor.ts';

/** Rows on a circle, at angles in degrees, in the first two of eight dimensions. */
const rowsAt = (...degrees: number[]) => {
  const rows = degrees.map((angle) => (angle * Math.PI) / 180).map((a) => [Math.cos(a), Math.sin(a), 0, 0, 0, 0, 0, 0]);
  return l2Normalize({ rows: degrees.length, columns: 8, data: Float32Array.from(rows.flat()) });
};

describe('nearPairs', () => {
  it('finds the same pairs as cosines', () => {
    // A fixed sequence of a linear congruential generator; 40 rows in 8 dimensions have near pairs and far ones.
    let seed = 1;
    const data = Float32Array.from({ length: 320 }, () => {
      seed = (seed * 48271) % 2147483647;
      return seed / 2147483647 - 0.5;
    });
    const rows = l2Normalize({ rows: 40, columns: 8, data });
    const all = cosines(rows, rows).data;
    for (const cosine of [0.3, 0.6, 0.8]) {
      const expected = Array.from({ length: 40 * 40 }, (_, n) => [Math.floor(n / 40), n % 40] as const).filter(
        ([a, b]) => a < b && (all[a * 40 + b] as number) >= cosine,
      );
      expect(expected.length).toBeGreaterThan(2);
      expect(nearPairs(rows, cosine)).toEqual(expected);
    }
  });
});

describe('doubts', () => {
  const names = ['grey cat', 'dog', 'gray cat', 'owl'];

  it('are empty if labels differ and are short enough', () => {
    expect(doubts({ rows: rowsAt(0, 90, 30, 180), truncated: [] }, names, 77)).toEqual([]);
  });

  it('name labels that the model cannot tell apart, in one warning', () => {
    // cos 1.5° = 0.9997, cos 2° = 0.9994
    expect(doubts({ rows: rowsAt(0, 90, 1.5, 92), truncated: [] }, names, 77)).toEqual([
      expect.stringMatching(/^these labels are nearly identical, .*: "grey cat" and "gray cat"; keep one of each/),
    ]);
  });

  it.each([
    ['cat', 'a cat'],
    ['The Cat', 'cats'],
    ['light bulb', 'lightbulbs'],
    ['bow-tie', 'bow tie'],
  ])('name labels that are one to the eye: %s, %s', (a, b) => {
    const found = doubts({ rows: rowsAt(0, 90, 180), truncated: [] }, [a, 'dog', b], 77);
    expect(found).toEqual([expect.stringContaining(`: "${a}" and "${b}"; `)]);
  });

  it.each([
    ['C', 'C++'],
    ['5', '-5'],
    ['glass', 'gla'],
    ['theatre', 'atre'],
    ['vitamin a', 'vitamin'],
  ])('pass over labels that are not: %s, %s', (a, b) => {
    expect(doubts({ rows: rowsAt(0, 90), truncated: [] }, [a, b], 77)).toEqual([]);
  });

  it('name only a few of many', () => {
    const many = Array.from({ length: 100 }, (_, n) => `label ${n}`);
    const found = doubts({ rows: rowsAt(...many.map(() => 0)), truncated: many.map((_, n) => n) }, many, 77);
    expect(found).toHaveLength(7);
    expect(found[0]).toContain('"label 0"');
    expect(found[5]).toBe('the prompts of 95 more labels are truncated too');
    expect(found[6]).toContain('4945 more pairs');
  });

  it('do not compare more than 2,000 labels with each other', () => {
    const angles = Array.from({ length: 2001 }, () => 0);
    expect(doubts({ rows: rowsAt(...angles), truncated: [] }, angles.map(String), 77)).toEqual([]);
  });
});
