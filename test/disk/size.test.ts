import { expect, it } from 'vitest';
import { formatSize, parseSize } from '../../src/disk/size.ts';

it.each([
  ['500MB', 500_000_000],
  ['2 GB', 2_000_000_000],
  ['1.5g', 1_500_000_000],
  ['10kB', 10_000],
  ['123', 123],
  ['1GiB', 2 ** 30],
  ['1 MiB', 2 ** 20],
  ['', undefined],
  ['-1', undefined],
  ['1iB', undefined],
  ['1e9', undefined],
  ['2 parsecs', undefined],
])('the size "%s" is %s bytes', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

it.each([
  [0, '0.0 kB'],
  [58_467, '58.5 kB'],
  [605_143_284, '605.1 MB'],
  [2e9, '2.0 GB'],
])('%d bytes are shown as %s', (bytes, text) => {
  expect(formatSize(bytes)).toBe(text);
});
