import { copyFile, cp, readFile, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readPins } from '../../src/hub/pins.ts';
import { requireIntact, verifyPin } from '../../src/hub/verify.ts';
import { cli } from '../cli/io.ts';
import { fixture } from '../paths.ts';
import { newHome } from './cache.ts';
import { blobName, type LoopbackHub, repositoryOf, startHub } from './server.ts';

const TINY = 'acme/tiny-clip';
const tiny = repositoryOf(fixture('tiny-class'));
let hub: LoopbackHub;
let home: Awaited<ReturnType<typeof newHome>>;
let pin: NonNullable<ReturnType<Awaited<ReturnType<typeof readPins>>['get']>>;
const blobOf = (path: string) =>
  join(home.hub, 'models--acme--tiny-clip/blobs', blobName(tiny.files.get(path) as Uint8Array));
const run = (...argv: string[]) => cli(argv, { env: home.env });
const classify = () => run(fixture('images/rgb.png'), '-l', 'a,b', '-m', 'tiny-clip');

beforeAll(async () => {
  hub = await startHub({ [TINY]: tiny });
  home = await newHome(hub.endpoint);
  await run('models', 'pull', TINY);
  pin = (await readPins(home.env)).get('tiny-clip') as typeof pin;
});
beforeEach(async () => {
  for (const [path, body] of tiny.files) await writeFile(blobOf(path), body);
});
afterAll(async () => {
  await hub.close();
  await home.remove();
});

const states = async () => (await verifyPin(pin)).map(({ state }) => state);

describe('a downloaded model', () => {
  it('is refused with any of 300 single flipped bits', async () => {
    const file = blobOf('preprocessor_config.json');
    const whole = await readFile(file);
    let found = 0;
    for (let n = 0; n < 300; n++) {
      const bit = Math.floor((n * whole.length * 8) / 300); // spread over the file, every place in a byte
      const flipped = Buffer.from(whole);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      await writeFile(file, flipped);
      const changed = (await states()).filter((state) => state === 'changed').length;
      const refused = await requireIntact('tiny-clip', pin, home.env).catch((error) => error.code);
      if (changed === 1 && refused === 'E_CHECKSUM') found++;
    }
    expect(found).toBe(300);
  });

  it('is refused if it is truncated to any of 20 lengths', async () => {
    const file = blobOf('model.safetensors');
    const { size } = await stat(file);
    for (let n = 0; n < 20; n++) {
      await writeFile(file, tiny.files.get('model.safetensors') as Uint8Array);
      await truncate(file, Math.floor((n * size) / 20));
      expect(await states()).toContain('changed');
      expect(await requireIntact('tiny-clip', pin, home.env).catch((error) => error.code)).toBe('E_CHECKSUM');
    }
  });

  it('is refused if two files are swapped or one is missing', async () => {
    await rename(blobOf('config.json'), `${blobOf('config.json')}.x`);
    await copyFile(blobOf('tokenizer.json'), blobOf('config.json'));
    await copyFile(`${blobOf('config.json')}.x`, blobOf('tokenizer.json'));
    await rm(`${blobOf('config.json')}.x`);
    expect((await states()).filter((state) => state === 'changed').length).toBe(2);
    await rm(blobOf('config.json'));
    expect(await states()).toContain('missing');
  });

  it('is hashed again if it was touched, even with the same size and time', async () => {
    expect((await classify()).code).toBe(0);
    const file = blobOf('config.json');
    const { atime, mtime } = await stat(file);
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('2.6592', '2.6593'));
    await utimes(file, atime, mtime);
    const { code, stderr } = await classify();
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(
        /E_CHECKSUM: checksum mismatch for .*config\.json: .*clip-classify models pull tiny-clip --force/,
      ),
    ]);
  });
});

describe('models verify', () => {
  it('lists good and damaged files, with exit code 2 if one is damaged', async () => {
    expect(await run('models', 'verify', 'tiny-clip')).toMatchObject({
      code: 0,
      stdout: 'tiny-clip: 6 files are intact\n',
    });
    await truncate(blobOf('model.safetensors'), 1000);
    const { code, stdout, stderr } = await run('models', 'verify', '--json');
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/E_CHECKSUM: .*model\.safetensors.*tiny-clip --force\n$/),
    ]);
    expect(JSON.parse(stdout)).toMatchObject([
      { name: 'starter', good: true },
      {
        name: 'tiny-clip',
        good: false,
        files: expect.arrayContaining([expect.objectContaining({ state: 'changed' })]),
      },
    ]);
  });

  it('names a command that repairs the damage', async () => {
    await truncate(blobOf('model.safetensors'), 1000);
    hub.seen.length = 0;
    expect((await run('models', 'pull', 'tiny-clip', '--force')).code).toBe(0);
    expect(hub.seen.filter(({ url }) => url.includes('/resolve/')).length).toBe(1);
    expect((await run('models', 'verify')).code).toBe(0);
    expect((await classify()).code).toBe(0);
  });

  it('is E_CHECKSUM offline, too, with the command that downloads the file again; nothing is contacted', async () => {
    await truncate(blobOf('model.safetensors'), 1000);
    hub.seen.length = 0;
    const offline = await run(fixture('images/rgb.png'), '-l', 'a,b', '-m', 'tiny-clip', '--offline');
    expect(offline).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /E_CHECKSUM: checksum mismatch .*; run clip-classify models pull tiny-clip --force/,
      ),
    });
    const repair = await cli(['models', 'verify', '--repair'], { env: { ...home.env, HF_HUB_OFFLINE: '1' } });
    expect(repair).toMatchObject({ code: 2, stderr: expect.stringContaining('HF_HUB_OFFLINE') });
    expect(hub.seen).toEqual([]);
  });

  it('repairs damaged files and graphs with --repair, and downloads only damaged files', async () => {
    await truncate(blobOf('model.safetensors'), 1000);
    hub.seen.length = 0;
    const { code, stdout, stderr } = await run('models', 'verify', '--repair');
    expect([code, stdout]).toEqual([0, 'starter: 5 files are intact\ntiny-clip: 6 files are intact\n']);
    expect(stderr).toContain('tiny-clip is damaged');
    expect(hub.seen.filter(({ url }) => url.includes('/resolve/')).length).toBe(1);
    expect((await classify()).code).toBe(0);
  });

  it('says that an import cannot be repaired', async () => {
    const source = join(home.folder, 'broken-source');
    await cp(fixture('tiny-gelu-f16'), source, { recursive: true });
    await run('models', 'import', source, '--name', 'broken');
    await truncate(join(source, 'model.safetensors'), 1000);
    const { code, stderr } = await run('models', 'verify', 'broken', '--repair');
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/E_CHECKSUM: .*models import <folder> --name broken again/),
    ]);
    await run('models', 'rm', 'broken');
  });

  it('also checks the graphs of downloaded and imported models', async () => {
    await run('models', 'import', fixture('tiny-gelu-f16'), '--name', 'mine');
    expect((await run('models', 'verify')).stdout).toBe(
      'starter: 5 files are intact\nmine: 6 files are intact\ntiny-clip: 6 files are intact\n',
    );
    for (const name of ['mine', 'tiny-clip']) {
      const graph = join(home.folder, 'own/models', name, 'image.onnx');
      const bytes = await readFile(graph);
      bytes[100] = (bytes[100] as number) ^ 4;
      await writeFile(graph, bytes);
      const { code, stderr } = await run('models', 'verify', name);
      expect([code, stderr]).toEqual([2, expect.stringMatching(/E_CHECKSUM: .*image\.onnx has changed since/)]);
    }
    expect((await run('models', 'pull', 'tiny-clip', '--force')).code).toBe(0);
    expect((await run('models', 'verify', 'tiny-clip')).code).toBe(0);
  });

  it('finds a changed byte in the weights that a model was imported from', async () => {
    const source = join(home.folder, 'source');
    await cp(fixture('tiny-gelu-f16'), source, { recursive: true });
    await run('models', 'import', source, '--name', 'mine');
    expect((await run('models', 'verify', 'mine')).code).toBe(0);
    const weights = join(source, 'model.safetensors');
    const bytes = await readFile(weights);
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
    await writeFile(weights, bytes);
    const { code, stderr } = await run('models', 'verify', 'mine');
    expect([code, stderr]).toEqual([2, expect.stringMatching(/E_CHECKSUM: .*model\.safetensors has changed since/)]);
  });

  it('refuses the name of a model that is not here', async () => {
    const { code, stderr } = await run('models', 'verify', 'clip-vit-base-patch32');
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/E_MODEL: clip-vit-base-patch32 is not the starter, nor a downloaded or imported model/),
    ]);
  });
});
