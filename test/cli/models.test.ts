import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Io } from '../../src/cli/io.ts';
import { createProgress } from '../../src/cli/models/pull-progress.ts';
import { fixture } from '../paths.ts';
import { cli } from './io.ts';

let folder: string;
let env: Record<string, string>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'models-'));
  env = { CLIP_CLASSIFY_CACHE: join(folder, 'cache') };
});
afterAll(() => rm(folder, { recursive: true }));

describe('models import', () => {
  it('writes both graphs to the cache, and the model is found by its name', async () => {
    const { code, stdout } = await cli(['models', 'import', fixture('tiny-class')], { env });
    expect(code).toBe(0);
    const written = join(folder, 'cache', 'models', 'tiny-class');
    expect(stdout).toContain(written);
    for (const graph of ['image.onnx', 'text.onnx']) {
      const bytes = await readFile(join(written, graph));
      expect(bytes.length).toBeLessThan(20_000); // the weights stay where they are
      expect(bytes.includes('model.safetensors')).toBe(true);
    }
    const { stdout: list } = await cli(['models', 'list'], { env });
    expect(list).toMatch(
      /^name .*\nstarter +built-in .*\(default\)\ntiny-class +imported .*\n(?:.*\n)+?clip-vit-b-16 +known +598\.5 MB +224 px +68\.3 % +medium +MIT +OpenAI CLIP ViT-B\/16\n/,
    );
  });

  it('gives the same scores as the folder', async () => {
    const args = [fixture('images/rgb.png'), '-l', 'cat,dog'];
    const byFolder = await cli([...args, '-m', fixture('tiny-class')], { env });
    expect(await cli([...args, '-m', 'tiny-class'], { env })).toEqual(byFolder);
    expect(await cli(args, { env: { ...env, CLIP_CLASSIFY_MODEL: 'tiny-class' } })).toEqual(byFolder);
  });

  it('never uses graphs of another checkpoint or config', async () => {
    const copy = join(folder, 'copy');
    const image = [fixture('images/rgb.png'), '-l', 'cat,dog'];
    await cp(fixture('tiny-class'), copy, { recursive: true });
    expect((await cli(['models', 'import', copy, '--name', 'changing'], { env })).code).toBe(0);
    const config = JSON.parse(await readFile(join(copy, 'config.json'), 'utf8'));
    await writeFile(
      join(copy, 'config.json'),
      JSON.stringify({ ...config, vision_config: { ...config.vision_config, pooling: 'mean' } }),
    );
    const scores = async (model: string) => JSON.parse((await cli([...image, '-m', model], { env })).stdout).labels;
    expect(await scores('changing')).toEqual(await scores(copy));
    expect(await scores('changing')).not.toEqual(await scores(fixture('tiny-class')));
  });

  it('names the missing source of an imported model', async () => {
    const gone = join(folder, 'gone');
    await cp(fixture('tiny-class'), gone, { recursive: true });
    await cli(['models', 'import', gone], { env });
    await rm(gone, { recursive: true });
    const { code, stderr } = await cli(['models', 'inspect', 'gone'], { env });
    expect([code, stderr]).toEqual([2, expect.stringMatching(/gone was imported from .*gone", which does not exist/)]);
  });

  it('never uses a damaged graph', async () => {
    const image = [fixture('images/rgb.png'), '-l', 'cat,dog'];
    expect((await cli(['models', 'import', fixture('tiny-class'), '--name', 'flipped'], { env })).code).toBe(0);
    const graph = join(folder, 'cache', 'models', 'flipped', 'text.onnx');
    const bytes = await readFile(graph);
    bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
    await writeFile(graph, bytes);
    const { labels: byFolder } = JSON.parse((await cli([...image, '-m', fixture('tiny-class')], { env })).stdout);
    expect(JSON.parse((await cli([...image, '-m', 'flipped'], { env })).stdout).labels).toEqual(byFolder);
    expect((await cli(['models', 'verify', 'flipped'], { env })).code).toBe(2);
  });

  it.each(['starter', '../x', '.x', ''])('refuses the name "%s"', async (name) => {
    const { code, stderr } = await cli(['models', 'import', fixture('tiny-class'), '--name', name], { env });
    expect([code, stderr]).toEqual([2, expect.stringMatching(/is not a valid model name/)]);
  });

  it('refuses a truncated checkpoint', async () => {
    const cut = join(folder, 'cut');
    await cp(fixture('tiny-class'), cut, { recursive: true });
    await truncate(join(cut, 'model.safetensors'), 100_000);
    const { code, stderr } = await cli(['models', 'import', cut], { env });
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/E_MODEL: .* describes 260684 bytes, but the file has 100000/),
    ]);
  });

  it('names the cache folder that cannot be written', async () => {
    const { code, stderr } = await cli(['models', 'import', fixture('tiny-class')], {
      env: { CLIP_CLASSIFY_CACHE: '/dev/null/x' },
    });
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/E_CACHE: cannot use \/dev\/null\/x.*; set CLIP_CLASSIFY_CACHE/),
    ]);
  });
});

describe('models inspect', () => {
  it('prints each stage with its shape', async () => {
    const { stdout } = await cli(['models', 'inspect', fixture('tiny-2d-mean-bf16')], { env });
    expect(stdout).toMatch(/patch embedding {2}\[B, 24, 5, 5\] {2,}4,608 {2,}9,216 {2}8 × 8 pixels/);
    expect(stdout).toMatch(/tokens {2,}\[B, 26, 24\] .* 2d positions/);
    expect(stdout).toMatch(/pooling {2,}\[B, 24\] {2,}mean over tokens/);
    expect(stdout).toMatch(/projection {2,}\[B, 16\]/);
    expect(stdout).toMatch(/logit scale: 24\.99/);
  });

  it('knows a SigLIP', async () => {
    const { stdout } = await cli(['models', 'inspect', fixture('tiny-siglip')], { env });
    expect(stdout).toMatch(/pooling {2,}\[B, 24\] .* attention of a learned query, mlp/);
    expect(stdout).toMatch(/pooling {2,}\[B, 24\] {2,}last token\n/);
    expect(stdout).toMatch(/logit bias: -1\.5/);
  });

  it('prints the same facts as JSON', async () => {
    const { stdout } = await cli(['models', 'inspect', fixture('tiny-class'), '--json'], { env });
    expect(JSON.parse(stdout)).toMatchObject({
      architecture: { image: { patch: 8, grid: 4 } },
      preprocessing: { fit: 'crop', size: 32 },
    });
  });
});

it.each([
  [['models'], /a subcommand is missing/],
  [['models', 'polish'], /unknown command 'polish'/],
  [['models', 'inspect', 'vit-b33'], /did you mean clip-vit-b-32 or .*Run clip-classify models pull clip-vit-b-32/],
  [['models', 'inspect', 'nothing'], /no model or folder called nothing/],
])('%j is refused', async (args, message) => {
  const { code, stderr } = await cli(args, { env });
  expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
});

describe('models verify --reference', () => {
  it('compares the starter with what PyTorch computes from it', async () => {
    const { code, stdout } = await cli(['models', 'verify', '--reference', 'starter', '--json'], { env });
    expect(code).toBe(0);
    const check = JSON.parse(stdout);
    expect(check).toMatchObject({ model: 'starter', compared: 24, good: true, limit: 1e-4 });
    expect(check.source).toMatch(/^PyTorch 2\./);
    expect(check.worst).toBeLessThan(1e-5); // both add in float32, in another order
  });

  it('runs a model without recorded values, and says that there are none', async () => {
    const { code, stdout } = await cli(['models', 'verify', '--reference', fixture('tiny-class')], { env });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^tiny-class: ran, but no values are recorded/);
  });

  it('refuses a model that computes something else', async () => {
    const changed = join(folder, 'changed');
    await cp(fixture('tiny-class'), changed, { recursive: true });
    const values = JSON.parse(await readFile(new URL('../../models/reference/starter.json', import.meta.url), 'utf8'));
    await writeFile(join(changed, 'reference.json'), JSON.stringify(values));
    const { code, stderr } = await cli(['models', 'verify', '--reference', changed], { env });
    expect(code).toBe(2);
    expect(stderr).toMatch(/E_MODEL: changed does not compute what PyTorch computes: a cosine differs by /);
  });
});

it('the progress of a download says on a terminal that nothing arrives, and that Ctrl-C is safe', () => {
  const written: string[] = [];
  const stream = { isTTY: true, columns: 100, write: (text: string) => written.push(text) > 0 };
  const progress = createProgress({ stderr: stream as unknown as Io['stderr'], env: {} }, false);
  progress.show({ file: 'model.safetensors', done: 1_000_000, total: 2_000_000 } as Parameters<
    typeof progress.show
  >[0]);
  progress.trouble({ kind: 'silence', ms: 7_000 });
  expect(written.at(-1)).toContain(
    'model.safetensors 1.0 MB: no data for 7 s (Ctrl-C is safe: the next pull continues here)',
  );
});
