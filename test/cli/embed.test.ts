import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import golden from '../golden/models.json' with { type: 'json' };
import { fixture } from '../paths.ts';
import { cli } from './io.ts';
import { bin, HUMBLE } from './program.ts';

const MODEL = ['-m', fixture('tiny-class')];
const LABELS = ['-l', 'cat,dog,small house'];
const reference = golden.cases.find(({ model }) => model === 'tiny-class');
const files = (reference?.files ?? []).map((file) => fixture(`images/${file}`));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'embed-'));
});
afterAll(() => rm(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const rows = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
const unit = (values: readonly number[]) => values.map((value) => value / Math.hypot(...values));
/** Within the accuracy of float32, as for the graphs in test/clip.test.ts. */
const expectLike = (actual: readonly number[], expected: readonly number[]) => {
  expect(actual.length).toBe(expected.length);
  for (const [d, value] of expected.entries()) expect(Math.abs((actual[d] as number) - value)).toBeLessThan(1e-5);
};

describe('embed', () => {
  it(`gives the unit embeddings of images, as in ${golden.source}`, async () => {
    const { code, stdout } = await cli(['embed', ...files, '--no-exif', ...MODEL, '--quiet']);
    expect(code).toBe(0);
    for (const [n, row] of rows(stdout).entries()) {
      expect(row).toMatchObject({
        image: files[n],
        model: 'tiny-class',
        digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      });
      expectLike(row.embedding, unit(reference?.image_embeds[n] ?? []));
    }
    expect(rows(stdout)).toHaveLength(files.length);
  });

  it('gives the embeddings of texts, which may contain commas', async () => {
    const prompts = reference?.prompts ?? [];
    await writeFile(at('texts.txt'), prompts.slice(1).join('\n'));
    const list = (prompts[0] as string).replaceAll(',', '\\,');
    const { stdout } = await cli(['embed', '--texts', list, '--texts-file', at('texts.txt'), ...MODEL, '--quiet']);
    for (const [n, row] of rows(stdout).entries()) {
      expect(row.text).toBe(prompts[n]?.trim());
      expectLike(row.embedding, unit(reference?.text_embeds[n] ?? []));
    }
    expect(rows(stdout)).toHaveLength(prompts.length);
  });

  it('writes them for NumPy, with a file next to it that names the rows', async () => {
    const bad = at('bad.jpg');
    await writeFile(bad, 'no image');
    const images = [files[0] as string, bad, files[1] as string];
    const { code, stdout } = await cli(['embed', ...images, ...MODEL, '-o', at('two.npy'), '--quiet']);
    expect([code, stdout]).toEqual([1, '']);
    const lines = rows((await cli(['embed', ...images, ...MODEL, '--quiet'])).stdout);
    const npy = await readFile(at('two.npy'));
    // numpy/lib/format.py, version 1.0
    const start = 10 + npy.readUInt16LE(8);
    expect(npy.subarray(0, 8)).toEqual(Buffer.from('\x93NUMPY\x01\x00', 'latin1'));
    expect(start % 64).toBe(0);
    expect(npy.toString('latin1', 10, start).trim()).toBe(
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 20), }",
    );
    const numbers = new Float32Array(npy.buffer.slice(npy.byteOffset + start, npy.byteOffset + npy.length));
    expect(numbers).toEqual(Float32Array.from([...lines[0].embedding, ...lines[2].embedding]));
    expect(rows(await readFile(at('two.npy.jsonl'), 'utf8'))).toEqual([
      { kind: 'image', model: 'tiny-class', digest: lines[0].digest, dtype: 'fp32' },
      { row: 0, image: images[0] },
      { image: bad, error: lines[1].error },
      { row: 1, image: images[2] },
    ]);
  });

  it.each([
    [['-f', 'npy'], /E_USAGE: npy cannot be written to standard output; add --output/],
    [['-o', 'out.csv'], /E_USAGE: cannot tell the output format from the extension of out.csv/],
    [['--texts', 'a'], /E_USAGE: images and texts are both given/],
    [['--cache-images', '--no-cache'], /E_USAGE: --cache-images does not work with --no-cache/],
    [['-o', '/nothing/out.npy'], /E_OUTPUT: cannot write \/nothing\/out.npy/],
  ])('refuses %j', async (options, message) => {
    const { code, stdout, stderr } = await cli(['embed', files[0] as string, ...MODEL, ...options]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });

  it('refuses an empty text, and a call without inputs', async () => {
    expect(await cli(['embed', '--texts', 'a,,b', ...MODEL])).toMatchObject({
      code: 2,
      stderr: /E_LABELS: text 2 of 3/,
    });
    expect(await cli(['embed', ...MODEL])).toMatchObject({ code: 2, stderr: /E_USAGE: no images/ });
  });

  it('reads every text of a file that is not blank, also if it begins with #', async () => {
    await writeFile(at('marks.txt'), '#1 fan\n\na cat\n');
    const { stdout } = await cli(['embed', '--texts-file', at('marks.txt'), ...MODEL]);
    expect(rows(stdout).map(({ text }) => text)).toEqual(['#1 fan', 'a cat']);
    const { stderr } = await cli(['embed', '--texts-file', at('none.txt'), ...MODEL]);
    expect(stderr).toMatch(/E_LABELS: cannot read the texts file .*none.txt/);
  });

  it.each([
    ['the list', ['--files-from', 'read.jsonl', '-o', 'read.jsonl']],
    ['the list, by the names beside a .npy file', ['--files-from', 'read.npy.jsonl', '-o', 'read.npy']],
    ['the texts, by the names beside a .npy file', ['--texts-file', 'read.npy.jsonl', '-o', 'read.npy']],
  ])('never overwrites %s', async (_, args) => {
    const written = args.map((arg) => (arg.startsWith('read') ? at(arg) : arg));
    const read = written[1] as string;
    await writeFile(read, `${files[0]}\n`);
    const { code, stderr } = await cli(['embed', ...written, ...MODEL]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/E_USAGE: --output .* would overwrite the input .*/)]);
    expect(await readFile(read, 'utf8')).toBe(`${files[0]}\n`);
  });

  it('refuses options for images if texts are given', async () => {
    const { code, stderr } = await cli(['embed', '--texts', 'a,b', '--shard', '1/2', ...MODEL]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/E_USAGE: --shard selects images, but texts is given/)]);
  });

  it('writes to standard output if the output is -', async () => {
    const { code, stdout } = await cli(['embed', '--texts', 'a cat', ...MODEL, '-o', '-']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ text: 'a cat' });
  });
});

describe('--from', () => {
  const classify = (...args: string[]) => cli([...args, ...LABELS, ...MODEL, '--quiet']);
  let direct: unknown[];
  beforeAll(async () => {
    await writeFile(at('bad.jpg'), 'no image');
    const images = [files[0] as string, at('bad.jpg'), ...files.slice(1)];
    for (const name of ['photos.npy', 'photos.jsonl'])
      await cli(['embed', ...images, ...MODEL, '-o', at(name), '--quiet']);
    direct = rows((await classify(...images)).stdout);
  });

  it('has no provider and dtype in JSON, because no model ran', async () => {
    const { stdout } = await classify('--from', at('photos.npy'), '-f', 'json', '--provider', 'cpu');
    expect(JSON.parse(stdout)).toMatchObject({ model: 'tiny-class', provider: null, dtype: null });
  });

  it.each(['photos.npy', 'photos.jsonl'])('gives the rows of the images themselves (%s)', async (name) => {
    const { code, stdout } = await classify('--from', at(name));
    expect(code).toBe(1); // the bad image is bad here too
    const scored = rows(stdout);
    expect(scored.map(({ image, label, error }) => [image, label, error?.code])).toEqual(
      (direct as { image: string; label: string; error?: { code: string } }[]).map(({ image, label, error }) => [
        image,
        label,
        error?.code,
      ]),
    );
    expect(scored[0]).toEqual(direct[0]);
  });

  it.each([
    [
      'another model',
      'photos.npy',
      ['-m', fixture('tiny-gelu-f16')],
      /E_MODEL: the embeddings in .* come from another model/,
    ],
    ['another model', 'photos.jsonl', ['-m', fixture('tiny-gelu-f16')], /E_MODEL: .* \(tiny-class, [0-9a-f]{12}\)/],
    ['images next to it', 'photos.npy', [fixture('images/rgb.png')], /E_USAGE: images and --from .* are both given/],
    ['--resume', 'photos.npy', ['--resume', '-o', '/tmp/x.jsonl'], /E_USAGE: --resume does not work with --from/],
    ['a file that is not there', 'none.npy', [], /E_USAGE: cannot use .*none.npy/],
    ['a shard of them', 'photos.npy', ['--shard', '1/2'], /E_USAGE: --shard selects images, but --from .* is given/],
    ['-0', 'photos.npy', ['-0'], /E_USAGE: -0 selects images/],
    ['a picture of them', 'photos.npy', ['--explain', '/tmp/x.png'], /E_USAGE: --explain does not work with --from/],
    ['an image', 'bad.jpg', [], /E_USAGE: .*bad.jpg contains no embeddings of images/],
  ])('refuses %s (%s)', async (_, name, options, message) => {
    const { code, stdout, stderr } = await cli([
      '--from',
      at(name),
      ...LABELS,
      ...(options.includes('-m') ? [] : MODEL),
      ...options,
    ]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd()).not.toContain('\n');
  });

  it.each(['texts.npy', 'texts.jsonl'])('refuses embeddings of texts (%s)', async (name) => {
    await cli(['embed', '--texts', 'a,b', ...MODEL, '-o', at(name), '--quiet']);
    const { code, stdout, stderr } = await classify('--from', at(name));
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/error: E_USAGE: .* contains embeddings of texts; [^\n]*\n$/);
  });

  it.each([
    ['cut short', (npy: Buffer) => npy.subarray(0, -1), /has \d+ bytes, but its header says/],
    [
      'of doubles',
      (npy: Buffer) => Buffer.from(npy.toString('latin1').replace('<f4', '<f8'), 'latin1'),
      /neither float32/,
    ],
    [
      'that promises more',
      (npy: Buffer) => Buffer.from(npy.toString('latin1').replace(/\((\d+),/, '(9$1,'), 'latin1'),
      /its header says/,
    ],
    ['of another kind', () => Buffer.from('PK\x03\x04 an archive'), /does not start like a .npy file/],
    ['that is empty', () => Buffer.alloc(0), /does not start like a .npy file/],
  ])('refuses a .npy file %s', async (_, change, message) => {
    await writeFile(at('other.npy'), change(await readFile(at('photos.npy'))));
    await writeFile(at('other.npy.jsonl'), await readFile(at('photos.npy.jsonl')));
    const { code, stdout, stderr } = await classify('--from', at('other.npy'));
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });

  it('has an error row for an invalid embedding', async () => {
    const [good] = (await readFile(at('photos.jsonl'), 'utf8')).split('\n') as [string];
    const row = JSON.parse(good);
    const change = (embedding: unknown) => JSON.stringify({ ...row, embedding });
    const bad = [
      change(row.embedding.map(() => 0)),
      change(row.embedding.slice(1)),
      change([null, ...row.embedding.slice(1)]),
      change(row.embedding.map((value: number) => 2 * value)),
      change('no list'),
      'no JSON',
    ];
    await writeFile(at('bad.jsonl'), [good, ...bad, good].join('\n'));
    const { code, stdout } = await classify('--from', at('bad.jsonl'));
    expect(code).toBe(1);
    expect(rows(stdout).map(({ error }) => error?.code)).toEqual([undefined, ...bad.map(() => 'E_DECODE'), undefined]);

    const npy = await readFile(at('photos.npy'));
    npy.writeUInt32LE(0x7fc00000, npy.length - 4); // NaN
    await writeFile(at('nan.npy'), npy);
    await writeFile(at('nan.npy.jsonl'), await readFile(at('photos.npy.jsonl')));
    const last = rows((await classify('--from', at('nan.npy'))).stdout).at(-1);
    expect(last).toMatchObject({ image: files.at(-1), error: { code: 'E_DECODE' } });
  });
});

describe('the cache of embeddings', () => {
  const run = promisify(execFile);
  const args = [bin, ...files.slice(0, 2), ...LABELS, ...MODEL, '--cache-images', '--quiet'];

  it('gives the same rows when it is empty, filled, damaged and disabled', async () => {
    const env = { ...process.env, CLIP_CLASSIFY_CACHE: at('own') };
    const cold = await run(process.execPath, args, { env });
    expect((await readdir(at('own/embeddings'))).length).toBe(2);
    expect(await run(process.execPath, args, { env })).toEqual(cold);
    for (const name of await readdir(at('own/embeddings'), { recursive: true }))
      if (name.endsWith('.emb')) await writeFile(join(at('own/embeddings'), name), 'damaged');
    expect(await run(process.execPath, args, { env })).toEqual(cold);
    const without = args.filter((one) => one !== '--cache-images');
    expect(await run(process.execPath, [...without, '--no-cache'], { env })).toEqual(cold);
  });

  it('that cannot be written costs only time, and a note with --verbose', async () => {
    const expected = await run(process.execPath, args, { env: { ...process.env, CLIP_CLASSIFY_CACHE: at('good') } });
    await mkdir(at('locked'));
    await chmod(at('locked'), 0o555);
    const humble = process.getuid?.() === 0 ? HUMBLE : [];
    const [command = '', ...words] = [...humble, process.execPath];
    const env = { ...process.env, CLIP_CLASSIFY_CACHE: at('locked/cache') };
    expect(await run(command, [...words, ...args], { env })).toEqual(expected);
    const verbose = [...args.filter((one) => one !== '--quiet'), '--verbose'];
    expect((await run(command, [...words, ...verbose], { env })).stderr).toContain(
      'nothing is cached: permission denied',
    );
    expect(await readdir(at('locked'))).toEqual([]);
  });
});
