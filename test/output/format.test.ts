import { parse } from 'csv-parse/sync';
import { describe, expect, it } from 'vitest';
import type { ImageResult } from '../../src/classifier.ts';
import { ImageError } from '../../src/errors.ts';
import { createWriter, formatOfFile, type TextFormat } from '../../src/output/format.ts';

const RUN = { model: 'tiny', provider: async () => 'cpu', dtype: 'fp32', templates: ['a photo of a {}'] };
const RESULTS: ImageResult[] = [
  {
    ok: true,
    image: 'a, "b"\nc.jpg',
    label: 'cat',
    score: 0.98123456789,
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

/** Results without a label, and with several labels. */
const CAT = { label: 'cat', score: 0.6, logit: 2, cosine: 0.2 };
const DOG = { label: 'dog', score: 0.3, logit: 1, cosine: 0.1 };
const UNDECIDED: ImageResult[] = [
  { ok: true, image: '1.jpg', label: null, score: 0.6, reason: 'none', background: 0.7123456, labels: [CAT, DOG] },
  { ok: true, image: '2.jpg', label: null, score: 0.6, reason: 'threshold', labels: [CAT] },
  { ok: true, image: '3.jpg', label: null, score: 0.6, reason: 'margin', labels: [CAT] },
  { ok: true, image: '4.jpg', label: 'cat', score: 0.6, labels: [CAT, { ...DOG, reason: 'threshold' }] },
  { ok: true, image: '5.jpg', label: 'cat', score: 0.6, background: 0.1, labels: [CAT] },
];

async function write(
  format: TextFormat,
  canvas: { columns: number; color: boolean; safe?: boolean } = { columns: 60, color: false },
  results = RESULTS,
): Promise<string> {
  const writer = await createWriter(format, RUN, { terminal: false, ...canvas });
  return (await writer.begin()) + results.map((result) => writer.row(result)).join('') + writer.end();
}
const writeUndecided = (format: TextFormat) => write(format, undefined, UNDECIDED);

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

const ROW = { model: 'tiny', label: 'cat', score: 0.6, labels: [CAT] };

describe('writers', () => {
  it.each(['=cmd|calc', '+1', '-1', '@SUM(A1)', '\tx', 'a=b', "it's"])(
    'make %j a text with csvSafe, in csv and tsv',
    async (name) => {
      const results: ImageResult[] = [
        { ok: true, image: name, label: name, score: 0.6, labels: [{ ...CAT, label: name, logit: -2 }] },
      ];
      for (const [format, delimiter] of [
        ['csv', ','],
        ['tsv', '\t'],
      ] as const) {
        const text = await write(format, { columns: 60, color: false, safe: true }, results);
        const [, row] = parse(text, { delimiter }) as string[][];
        const expected = /^[=+\-@\t]/u.test(name) ? `'${name}` : name;
        expect([row?.[0], row?.[2], row?.[4]]).toEqual([expected, expected, '-2']);
      }
    },
  );

  it('jsonl: one object per line', async () => {
    const lines = (await write('jsonl')).split('\n');
    expect(lines.pop()).toBe('');
    expect(lines.map((line) => JSON.parse(line))).toEqual(ROWS);
  });

  it('json: one object for the run', async () => {
    expect(JSON.parse(await write('json'))).toEqual({ ...RUN, provider: 'cpu', results: ROWS });
  });

  it('json: valid without rows', async () => {
    const writer = await createWriter('json', RUN, { columns: 80, color: false, terminal: false });
    expect(JSON.parse((await writer.begin()) + writer.end())).toEqual({ ...RUN, provider: 'cpu', results: [] });
  });

  it('csv: quoted as in RFC 4180', async () => {
    expect(await write('csv')).toBe(
      'image,rank,label,score,logit,cosine,reason,error\n' +
        '"a, ""b""\nc.jpg",1,cat,0.981235,27.4,0.274,,\n' +
        '"a, ""b""\nc.jpg",2,"日本, ""x""",0.0187654,23.5,0.235,,\n' +
        'bad\x1b[31m.jpg,,,,,,,E_DECODE: bad\uFFFD[31m.jpg is empty; fetch it again\n',
    );
  });

  it('tsv: separated by tabs, commas unchanged', async () => {
    expect((await write('tsv')).split('\n')[0]).toBe('image\trank\tlabel\tscore\tlogit\tcosine\treason\terror');
    expect(await write('tsv')).toContain('\t1\tcat\t0.981235\t27.4\t0.274\t\t\n');
  });

  it('label: the label of each image, or an empty line', async () => {
    expect(await write('label')).toBe('cat\n\n');
  });

  it('table: bars fit the width, and there are no control characters', async () => {
    expect(await write('table')).toBe(
      'a, "b" c.jpg\n' +
        '  cat        █████████████████████████████████████▎   98.1 %\n' +
        '  日本, "x"  ▊                                         1.9 %\n' +
        'bad\uFFFD[31m.jpg\n' +
        '  E_DECODE: bad\uFFFD[31m.jpg is empty; fetch it again\n',
    );
  });

  it('jsonl: an image without a label has null, a score and a reason', async () => {
    const lines = (await writeUndecided('jsonl')).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { ...ROW, image: '1.jpg', label: null, reason: 'none', background: 0.712346, labels: [CAT, DOG] },
      { ...ROW, image: '2.jpg', label: null, reason: 'threshold' },
      { ...ROW, image: '3.jpg', label: null, reason: 'margin' },
      { ...ROW, image: '4.jpg', labels: [CAT, { ...DOG, reason: 'threshold' }] },
      { ...ROW, image: '5.jpg', background: 0.1 },
    ]);
  });

  it('csv: the reason is in its own column', async () => {
    expect((await writeUndecided('csv')).split('\n').slice(1, -1)).toEqual([
      '1.jpg,1,cat,0.6,2,0.2,none,',
      '1.jpg,2,dog,0.3,1,0.1,none,',
      '2.jpg,1,cat,0.6,2,0.2,threshold,',
      '3.jpg,1,cat,0.6,2,0.2,margin,',
      '4.jpg,1,cat,0.6,2,0.2,,',
      '4.jpg,2,dog,0.3,1,0.1,threshold,',
      '5.jpg,1,cat,0.6,2,0.2,,',
    ]);
  });

  it('label: an empty line for an image without a label', async () => {
    expect(await writeUndecided('label')).toBe('\n\n\ncat\ncat\n');
  });

  it('table: a sentence says why there is no label', async () => {
    const lines = (await writeUndecided('table')).split('\n').filter((line) => line.includes('no label'));
    expect(lines).toEqual([
      '  no label: the background class has the best score, 71.2 %',
      '  no label: the best score, 60.0 %, is below the threshold',
      '  no label: the best score is too close to the second-best',
    ]);
  });

  it.each(['csv', 'tsv'] as const)(
    '%s: shows control characters to a terminal, and writes them to a file',
    async (format) => {
      const writer = await createWriter(format, RUN, { columns: 80, color: false, terminal: true });
      expect(RESULTS.map((result) => writer.row(result)).join('')).not.toContain('\x1b');
      expect(await write(format)).toContain('bad\x1b[31m.jpg');
    },
  );

  it('json: the bytes of a path that is not UTF-8 are in their own field', async () => {
    const writer = await createWriter('jsonl', RUN, { columns: 80, color: false, terminal: false });
    const [first, , , fourth] = UNDECIDED as [ImageResult, ImageResult, ImageResult, ImageResult];
    const pathBytes = Uint8Array.of(0x66, 0xff, 0x2e);
    for (const result of [first, fourth]) {
      const row = JSON.parse(String(writer.row({ ...result, pathBytes })));
      expect([...Buffer.from(row.path_b64, 'base64')]).toEqual([...pathBytes]);
    }
    expect(JSON.parse(String(writer.row(first)))).not.toHaveProperty('path_b64');
  });

  it.each([20, 40, 80, 200])('table: lines of images are at most %i columns wide', async (columns) => {
    const { default: stringWidth } = await import('string-width');
    const lines = (await write('table', { columns, color: true })).split('\n').slice(1, 3);
    for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(columns);
  });

  it('table: colours only if they are enabled', async () => {
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
