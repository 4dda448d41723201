import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { KeyTable } from '../../src/cache/key-table.ts';

/** The reference: a Map with the keys as text. */
function both(expected?: number) {
  const [table, map] = [new KeyTable(expected), new Map<string, number>()];
  return {
    table,
    map,
    set(key: Buffer, place: number) {
      table.set(key, 0, place);
      map.set(key.toString('latin1'), place);
    },
  };
}

describe('a key table finds the same places as a Map', () => {
  it.each([
    ['hashes', () => randomBytes(32)],
    ['keys that differ in one word', (n: number) => numbered(n, 0)],
    ['keys that differ in the last word', (n: number) => numbered(n, 28)],
    ['keys that differ in the lowest bit of a word', (n: number) => numbered(n * 2 ** 24, 12)],
  ])('of 5000 %s', (name, keyOf) => {
    const { table, map, set } = both(name === 'hashes' ? 5000 : undefined);
    const keys = Array.from({ length: 5000 }, (_, n) => keyOf(n));
    for (const [n, key] of keys.entries()) set(key, n * 1672);
    for (const key of keys.slice(0, 100)) set(key, 2 ** 40); // a place beyond 32 bits
    expect(table.size).toBe(map.size);
    const others = keys.map((key) => createHash('sha256').update(key).digest());
    expect(keys.map((key) => table.get(key))).toEqual(keys.map((key) => map.get(key.toString('latin1'))));
    expect(others.filter((key) => table.get(key) !== undefined)).toEqual([]);
    const entries = [...table.entries()].map(([key, place]) => [Buffer.from(key).toString('latin1'), place]);
    expect(entries).toEqual([...map]);
  });

  it('at an offset of the given bytes', () => {
    const bytes = randomBytes(100);
    const table = new KeyTable();
    table.set(bytes, 3, 7);
    expect(table.get(bytes.subarray(3, 35))).toBe(7);
    expect(table.get(bytes.subarray(4, 36))).toBeUndefined();
  });
});

/** A key of zeros, with a number in one word. */
function numbered(n: number, at: number): Buffer {
  const key = Buffer.alloc(32);
  key.writeUInt32LE(n % 2 ** 32, at);
  return key;
}
