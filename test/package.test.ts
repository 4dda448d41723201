import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repository } from './paths.ts';

const types = join(repository, 'dist/bundle/index.d.ts');

describe.skipIf(!existsSync(types))('the package (after npm run build)', () => {
  it('contains the programs, the bundle, the models and one file of declarations', () => {
    const json = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: repository,
      encoding: 'utf8',
      shell: process.platform === 'win32',
    });
    const [{ files }] = JSON.parse(json) as [{ files: { path: string }[] }];
    const paths = files.map(({ path }) => path);
    expect(paths.filter((path) => path.endsWith('.d.ts'))).toEqual(['dist/bundle/index.d.ts']);
    const expected =
      /^(bin|dist\/bundle|man|models(\/(cards|labels|reference|starter))?)\/[^/]+$|^(CHANGELOG|README)\.md$|^(LICENSE|package\.json)$/u;
    expect(paths.filter((path) => !expected.test(path))).toEqual([]);
    expect(paths).toContain('models/starter/model.safetensors');
  });

  it('has declarations that import only from Node, because bundled packages are not installed', async () => {
    const text = await readFile(types, 'utf8');
    const imported = [...text.matchAll(/(?:from |import\()'([^']+)'/gu)].map(([, name]) => name);
    expect(imported.filter((name) => !name?.startsWith('node:'))).toEqual([]);
    for (const name of ['Clip', 'ImageInput', 'KnownModel', 'Pulled'])
      expect(text).toMatch(new RegExp(`(type|interface) ${name}\\b`, 'u'));
  });
});
