import { cp, mkdir, mkdtemp, readdir, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refuseLinksOut } from '../../src/model/links.ts';
import { fixture } from '../paths.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'links-'));
});
afterAll(() => rm(root, { recursive: true }));

describe('a model folder', () => {
  it.each(['model.safetensors', 'config.json', 'tokenizer.json'])(
    'is refused where %s is a link out of it',
    async (name) => {
      const folder = join(root, name);
      await cp(fixture('tiny-class'), folder, { recursive: true });
      await expect(refuseLinksOut(folder)).resolves.toBeUndefined();
      await rename(join(folder, name), join(root, `elsewhere-${name}`));
      await symlink(join(root, `elsewhere-${name}`), join(folder, name));
      await expect(refuseLinksOut(folder)).rejects.toMatchObject({
        code: 'E_MODEL',
        message: expect.stringContaining(name),
      });
    },
  );

  it('may be a snapshot of the Hugging Face cache, whose links lead to the blobs of its repository', async () => {
    const repo = join(root, 'models--o--r');
    const snapshot = join(repo, 'snapshots/abc');
    await cp(fixture('tiny-class'), join(repo, 'blobs'), { recursive: true });
    await mkdir(snapshot, { recursive: true });
    for (const name of await readdir(join(repo, 'blobs')))
      await symlink(join('../../blobs', name), join(snapshot, name));
    await expect(refuseLinksOut(snapshot)).resolves.toBeUndefined();
  });
});
