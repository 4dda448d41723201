import { readFile } from 'node:fs/promises';
import { chdir, cwd } from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli } from './cli/io.ts';
import { repository } from './paths.ts';

const readme = await readFile(`${repository}README.md`, 'utf8');

/** `cat  ████▏  76.2 %` → label and percent; other lines as they are. */
const parse = (text: string) =>
  text.split('\n').map((line) => {
    const [, label, percent] = /^ {2}(\S.*?) {2,}.*? ([\d.]+) %$/u.exec(line) ?? [];
    return label === undefined ? { line } : { label, percent: Number(percent) };
  });

describe('README', () => {
  const start = cwd();
  beforeAll(() => chdir(repository));
  afterAll(() => chdir(start));

  it('shows what its first command really prints', async () => {
    const [, command = '', shown = ''] =
      /```sh setup\nnpm ci && npm run build && node bin\/clip-classify\.js (.*)\nnpm test\n```[\s\S]*?```\n([\s\S]*?)\n```/u.exec(
        readme,
      ) ?? [];
    const args = [...command.matchAll(/"([^"]*)"|(\S+)/gu)].map(([, quoted, plain]) => quoted ?? plain ?? '');
    const { code, stdout, stderr } = await cli(args);
    expect(code).toBe(0);
    const [actual, expected] = [parse((stdout + stderr).trimEnd()), parse(shown)];
    expect(actual.map(({ line, label }) => line ?? label)).toEqual(expected.map(({ line, label }) => line ?? label));
    // Another processor takes sums in another order: a last digit may differ.
    for (const [n, { percent }] of expected.entries()) {
      if (percent !== undefined)
        expect(Math.abs((actual[n]?.percent ?? Number.NaN) - percent)).toBeLessThanOrEqual(0.2);
    }
  });
});
