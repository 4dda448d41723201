import { describe, expect, it } from 'vitest';
import { bytesOfPath, openable, pathOf, pathOfBytes, sortByBytes, sourceOf } from '../../src/inputs/path.ts';
import { ODD_NAMES } from './odd-names.ts';

describe('a path of any bytes', () => {
  it.each(ODD_NAMES.map((bytes) => [bytes.toString('latin1').slice(0, 20), bytes] as const))('keeps %j', (_, bytes) => {
    expect(bytesOfPath(pathOfBytes(bytes))).toEqual(bytes);
    expect(pathOf(sourceOf(pathOfBytes(bytes)))).toBe(pathOfBytes(bytes));
  });

  it('is escaped like in Python', () => {
    // python3 -c "import os; print(ascii(os.fsdecode(b'a\xffb\xc3(\xed\xa0\x80\xf0\x9f\x90\x88\xe2\x82')))"
    const bytes = Buffer.from('61ff62c328eda080f09f9088e282', 'hex');
    expect(pathOfBytes(bytes)).toBe('a\udcffb\udcc3(\udced\udca0\udc80\u{1f408}\udce2\udc82');
    expect(bytesOfPath(pathOfBytes(bytes))).toEqual(bytes);
  });

  it('is plain text if no byte is lost', () => {
    expect(openable('caf\u00e9 \u{1f408} \ufffd')).toBe('caf\u00e9 \u{1f408} \ufffd');
    expect(sourceOf('a.png')).toEqual({ kind: 'file', name: 'a.png', path: 'a.png' });
    expect(sourceOf('a\udcff.png')).toEqual({
      kind: 'file',
      name: 'a\ufffd.png',
      path: Buffer.from('61ff2e706e67', 'hex'),
    });
  });

  it('sorts by its bytes', () => {
    const sorted = sortByBytes(ODD_NAMES.map(pathOfBytes)).map(bytesOfPath);
    expect(sorted).toEqual([...ODD_NAMES].sort(Buffer.compare));
    expect(sortByBytes(['b', 'a/', 'a', 'a.png'])).toEqual(['a', 'a.png', 'a/', 'b']);
  });
});
