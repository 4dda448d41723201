import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as library from '../src/index.ts';
import { repository } from './paths.ts';

const page = await readFile(join(repository, 'docs/library.md'), 'utf8');
const examples = [...page.matchAll(/^## (.+)$|^```ts\n([\s\S]*?)^```$/gmu)]
  .reduce<{ title: string; code: string }[]>((all, [, title, code = '']) => {
    all.push({ title: title ?? all.at(-1)?.title ?? '', code });
    return all;
  }, [])
  .filter(({ code }) => code !== '');

// Inside of the package its name means the package itself: what users import is what runs.
const folder = join(repository, 'dist', `library-page-${process.pid}`);
beforeAll(() => mkdir(folder, { recursive: true }));
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('docs/library.md', () => {
  it('names every export', () => {
    const missing = Object.keys(library).filter((name) => !new RegExp(`\\b${name}\\b`, 'u').test(page));
    expect(missing).toEqual([]);
  });

  it.each(examples.map((example, n) => ({ n, ...example })))('$title: example $n runs', async ({ n, code }) => {
    const file = join(folder, `${n}.mjs`);
    await writeFile(file, code);
    const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: repository });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(0);
    // A comment behind a line of output says what is printed.
    for (const [, shown = ''] of code.matchAll(/console\.log\(.*\); \/\/ ([\w ]+)$/gmu))
      if (!shown.includes(' or ') && !shown.startsWith('await ')) expect(lines).toContain(shown);
  });
});
