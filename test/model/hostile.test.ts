import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHECKPOINTS, flips } from './hostile-checkpoints.ts';
import { GRAPHS, type HostileModel, readyMade } from './hostile-graphs.ts';
import { loadEach, writeEach } from './hostile-outcomes.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'hostile-models-'));
});
afterAll(() => rm(root, { recursive: true }));

/** The promise: no crash, 10 seconds at most, a named error. */
describe('hostile models', () => {
  it.each([
    ['ready-made graphs', GRAPHS],
    ['checkpoints and configs', CHECKPOINTS],
    ['models with one flipped bit (40)', flips(40)],
  ])(
    '%s end no process, take no 10 seconds, and are refused by name',
    async (_, models) => {
      const outcomes = await loadEach(await writeEach(root, models));
      expect(outcomes).toHaveLength(models.length);
      const wrong = outcomes.flatMap(({ code = 'ran', message }, n) => {
        const { name, outcome } = models[n] as HostileModel;
        return code === outcome || (outcome === 'any' && /^(ran|E_MODEL)$/.test(code))
          ? []
          : [`${name}: ${code} ${message ?? ''}`];
      });
      expect(wrong).toEqual([]);
      for (const { ms } of outcomes) expect(ms).toBeLessThan(10_000);
    },
    120_000,
  );

  it('runs the same small model if it is complete, also through the links of the Hub’s cache', async () => {
    const [plain, blobs, snapshot] = [join(root, 'plain'), join(root, 'hub/blobs'), join(root, 'hub/snapshots/c')];
    for (const folder of [plain, blobs, snapshot]) await mkdir(folder, { recursive: true });
    await readyMade(plain, { external: { location: 'weights.bin', offset: '0', length: '80' } });
    const names = ['vision_model.onnx', 'text_model.onnx', 'weights.bin', 'tokenizer.json', 'config.json'];
    for (const [n, name] of [...names, 'preprocessor_config.json'].entries()) {
      await cp(join(plain, name), join(blobs, `${n}`));
      await symlink(`../../blobs/${n}`, join(snapshot, name));
    }
    const [whole, linked] = await loadEach([plain, snapshot]);
    expect([whole?.code, whole?.scores?.length]).toEqual([undefined, 2]);
    expect([linked?.message, linked?.scores]).toEqual([undefined, whole?.scores]);
  }, 60_000);
});
