import { describe, expect, it } from 'vitest';
import type { ImageResult } from '../../src/classifier.ts';
import { ImageError } from '../../src/errors.ts';
import { createWriter, type Format, formatOfFile } from '../../src/output/format.ts';

const RUN = { model: 'tiny', provider: async () => 'cpu', dtype: 'fp32', templates: ['a photo of a {}'] };
const RESULTS: ImageResult[] = [
  {
    ok: true,
    image: 'a, "b"\nc.jpg',
    labels: [
      { label: 'cat', score: 0.98123456789, logit: 27.4, cosine: 0.274 },
      { label: '日本, "x"', score: 0.01876543211, logit: 23.5, cosine: 0.235 },
    ],
  },
  {
    ok: false,
    image: 'bad\x1b[31m.jpg',
    error: new ImageError('E_DECODE', 'bad\x1b[31m.jpg is empty', 'fetch it again'),
  },
];

async function write(format: Format, canvas = { columns: 60, color: false }): Promise<string> {
  const writer = await createWriter(format, RUN, canvas);
  return (await writer.begin()) + RESULTS.map((result) => writer.row(result)).join('') + writer.end();
}

const ROWS = [
  {
    image: 'a, "b"\nc.jpg',
    model: 'tiny',
    label: 'cat',
    score: 0.981235,
    labels: [
      { label: 'cat', score: 0.981235, logit: 27.4, cosine: 0.274 },
      { label: '日本, "x"', score: 0.0187654, logit: 23.5, cosine: 0.235 },
    ],
  },
  {
    image: 'bad\x1b[31m.jpg',
    model: 'tiny',
    error: { code: 'E_DECODE', message: 'bad\uFFFD[31m.jpg is empty; fetch it again' },
  },
];

describe('writers', () => {
  it('jsonl: one object a line', async () => {
    const lines = (await write('jsonl')).split('\n');
    expect(lines.pop()).toBe('');
    expect(lines.map((line) => JSON.parse(line))).toEqual(ROWS);
  });

  it('json: one object for the run', async () => {
    expect(JSON.parse(await write('json'))).toEqual({ ...RUN, provider: 'cpu', results: ROWS });
  });

  it('json: valid without any row', async () => {
    const writer = await createWriter('json', RUN, { columns: 80, color: false });
    expect(JSON.parse((await writer.begin()) + writer.end())).toEqual({ ...RUN, provider: 'cpu', results: [] });
  });

  it('csv: quoted as RFC 4180 says', async () => {
    expect(await write('csv')).toBe(
      'image,rank,label,score,logit,cosine,reason,error\n' +
        '"a, ""b""\nc.jpg",1,cat,0.981235,27.4,0.274,,\n' +
        '"a, ""b""\nc.jpg",2,"日本, ""x""",0.0187654,23.5,0.235,,\n' +
        'bad\x1b[31m.jpg,,,,,,,E_DECODE: bad\uFFFD[31m.jpg is empty; fetch it again\n',
    );
  });

  it('tsv: tabs between, commas as they are', async () => {
    expect((await write('tsv')).split('\n')[0]).toBe('image\trank\tlabel\tscore\tlogit\tcosine\treason\terror');
    expect(await write('tsv')).toContain('\t1\tcat\t0.981235\t27.4\t0.274\t\t\n');
  });

  it('label: the first label of each image, an empty line for none', async () => {
    expect(await write('label')).toBe('cat\n\n');
  });

  it('table: bars fitted to the width, no control character', async () => {
    expect(await write('table')).toBe(
      'a, "b" c.jpg\n' +
        '  cat        █████████████████████████████████████▎   98.1 %\n' +
        '  日本, "x"  ▊                                         1.9 %\n' +
        'bad\uFFFD[31m.jpg\n' +
        '  E_DECODE: bad\uFFFD[31m.jpg is empty; fetch it again\n',
    );
  });

  it.each([20, 40, 80, 200])('table: lines of images keep within %i columns', async (columns) => {
    const { default: stringWidth } = await import('string-width');
    const lines = (await write('table', { columns, color: true })).split('\n').slice(1, 3);
    for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(columns);
  });

  it('table: colours only where they are wanted', async () => {
    expect(await write('table', { columns: 60, color: true })).toContain('\x1b[');
    expect(await write('table')).not.toContain('\x1b');
  });

  it.each([
    ['x.csv', 'csv'],
    ['a.b/x.JSONL', 'jsonl'],
    ['x.tsv', 'tsv'],
    ['x.json', 'json'],
    ['x.xml', undefined],
    ['csv', undefined],
  ])('the extension of %s says %s', (file, format) => {
    expect(formatOfFile(file)).toBe(format);
  });
});
