import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../paths.ts';
import { canMount, onSmallDisk } from './disks.ts';
import { cli } from './io.ts';
import { manyImages, start, TINY } from './program.ts';

const scratch = (name: string) => mkdtemp(join(tmpdir(), `${name}-`));

type Line = Readonly<Record<string, unknown>> & { readonly event: string };

const lines = (stderr: string) =>
  stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line); // throws if a line is not one JSON object
const events = (stderr: string) => lines(stderr).map(({ event }) => event);
const last = (stderr: string) => lines(stderr).at(-1);

describe('--log json', () => {
  let folder: string;
  const good = fixture('images/rgb.png');
  let bad: string;

  beforeAll(async () => {
    folder = await scratch('log');
    bad = join(folder, 'bad.png');
    await writeFile(bad, 'no picture');
  });

  it('writes start, model, provider, notes and end, each line one JSON object with a time', async () => {
    const { code, stderr } = await cli([good, good, bad, ...TINY, '--log', 'json']);
    expect(code).toBe(1);
    expect(events(stderr)).toEqual(expect.arrayContaining(['start', 'model', 'provider', 'note', 'end']));
    expect(lines(stderr)[0]).toMatchObject({ event: 'start', command: 'classify' });
    for (const { time } of lines(stderr)) expect(new Date(String(time)).toISOString()).toBe(time);
    expect(last(stderr)).toMatchObject({ event: 'end', exit_code: 1, ok: 2, failed: 1, codes: { E_FORMAT: 1 } });
  });

  it.each([
    ['an unknown option', ['x.png', '--log=json', '--labls', 'a'], undefined],
    ['no labels', ['x.png', '--log=json'], 'E_LABELS'],
    ['no image', ['missing', '-l', 'a,b', '--log=json', '--files-from', 'none'], 'E_USAGE'],
  ])('writes %s as an error line and ends', async (_, argv, code) => {
    const { stderr, stdout } = await cli(argv);
    expect(stdout).toBe('');
    expect(events(stderr)).toEqual(['start', 'error', 'end']);
    if (code) expect(lines(stderr)[1]).toMatchObject({ code });
    expect(last(stderr)).toMatchObject({ exit_code: 2, ok: 0 });
  });

  it.each(['embed', 'eval', 'tag'])('counts the images of %s', async (command) => {
    const root = join(folder, command);
    const images = ['cat', 'dog'].map((name) => join(root, name));
    for (const one of images) await manyImages(one, 3);
    const labels = ['tag', 'sort'].includes(command) ? ['-l', 'cat,dog'] : [];
    const more = {
      find: ['a cat', root],
      sort: [root, '--to', join(folder, 'sorted')],
      learn: [root, '-o', join(folder, 'x.clf.json'), '--force'],
    }[command];
    const argv = [command, ...(more ?? [root]), ...labels, '-m', fixture('tiny-class'), '--log', 'json'];
    const { stderr } = await cli(argv);
    expect(last(stderr)).toMatchObject({ event: 'end', exit_code: 0, ok: 6, failed: 0, codes: {} });
  });
});

describe('--summary', () => {
  const read = async (file: string) => JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;

  it('contains counts, codes, times, model, digest and versions', async () => {
    const folder = await scratch('summary');
    const file = join(folder, 'summary.json');
    await writeFile(join(folder, 'bad.png'), 'no picture');
    const images = [fixture('images/rgb.png'), join(folder, 'bad.png')];
    await cli([...images, ...TINY, '--summary', file]);
    const summary = await read(file);
    expect(summary).toMatchObject({
      summary: 1,
      command: 'classify',
      exit_code: 1,
      ok: 1,
      failed: 1,
      codes: { E_FORMAT: 1 },
      model: { name: 'tiny-class', dtype: 'fp32', provider: 'cpu', digest: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
    expect(summary['versions']).toEqual(expect.arrayContaining([expect.stringMatching(/^onnxruntime \d/)]));
  });

  it('contains the error that stopped the run', async () => {
    const file = join(await scratch('summary-error'), 'summary.json');
    await cli(['x.png', '-l', 'a,b', '-m', 'no-such-model', '--summary', file]);
    expect(await read(file)).toMatchObject({ exit_code: 2, ok: 0, error: { code: 'E_MODEL' } });
  });

  it('counts the rows that --resume keeps separately', async () => {
    const folder = await scratch('summary-resume');
    const images = await manyImages(join(folder, 'images'), 4);
    const argv = [...TINY, '-o', join(folder, 'rows.jsonl')];
    const bad = join(folder, 'bad.png');
    await writeFile(bad, 'no picture');
    await cli([bad, ...images.slice(0, 3), ...argv]);
    const file = join(folder, 'summary.json');
    await cli([bad, ...images, ...argv, '--resume', '--summary', file]);
    expect(await read(file)).toMatchObject({ exit_code: 1, ok: 1, failed: 0, kept: 4, kept_failed: 1 });
  });

  it('is refused if it would overwrite an image, a labels file or the output', async () => {
    const folder = await scratch('summary-refused');
    const labels = join(folder, 'labels.txt');
    await writeFile(labels, 'cat\ndog\n');
    await mkdir(join(folder, 'd'));
    const argv = [fixture('images/rgb.png'), '--labels-file', labels, '-m', fixture('tiny-class')];
    const output = join(folder, 'rows.jsonl');
    for (const file of [fixture('images/rgb.png'), labels, output, join(folder, 'd')]) {
      const { code, stderr } = await cli([...argv, '-o', output, '--summary', file]);
      expect(code, stderr).toBe(2);
      expect(stderr).toContain('E_USAGE: --summary');
    }
    expect(await readFile(labels, 'utf8')).toBe('cat\ndog\n');
  });

  it.skipIf(!canMount)(
    'that cannot be written is an error before the end of the log (skipped if no file system can be mounted)',
    async () => {
      const disk = join(await scratch('summary-full'), 'disk');
      await onSmallDisk(disk, 'size=4k', async () => {
        await writeFile(join(disk, 'large'), Buffer.alloc(4096));
        const argv = [fixture('images/rgb.png'), ...TINY, '--summary', join(disk, 'summary.json'), '--log', 'json'];
        const { code, stderr } = await cli(argv);
        expect(code).toBe(2);
        expect(lines(stderr).slice(-2)).toMatchObject([
          { event: 'error', code: 'E_OUTPUT' },
          { event: 'end', exit_code: 2, ok: 1 },
        ]);
      });
    },
  );

  it('is written completely after SIGTERM', async () => {
    const folder = await scratch('summary-signal');
    const images = join(folder, 'images');
    await manyImages(images, 3_000);
    const file = join(folder, 'summary.json');
    const { child, ended } = start([images, ...TINY, '--summary', file, '--log', 'json']);
    child.stdout?.once('data', () => child.kill('SIGTERM'));
    const { code, stderr, stdout } = await ended;
    expect(code).toBe(143);
    const summary = await read(file);
    expect(summary).toMatchObject({ exit_code: 143, failed: 0 });
    const rows = stdout.split('\n').length - 1;
    expect(Math.abs(Number(summary['ok']) - rows)).toBeLessThanOrEqual(1); // the row that was being written
    expect(Number(summary['ok'])).toBeLessThan(3_000);
    expect(last(stderr)).toMatchObject({ event: 'end', exit_code: 143 });
  });
});
