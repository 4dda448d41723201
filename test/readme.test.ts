import { access, readFile } from 'node:fs/promises';
import { chdir, cwd } from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../src/cli/commands.ts';
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

  it('shows the output of its first command', async () => {
    const [, command = '', shown = ''] =
      /```sh setup\nnpm ci && npm run build && node bin\/clip-classify\.js (.*)\nnpm test\n```[\s\S]*?```\n([\s\S]*?)\n```/u.exec(
        readme,
      ) ?? [];
    const args = [...command.matchAll(/"([^"]*)"|(\S+)/gu)].map(([, quoted, plain]) => quoted ?? plain ?? '');
    const { code, stdout, stderr } = await cli(args);
    expect(code).toBe(0);
    const [actual, expected] = [parse((stdout + stderr).trimEnd()), parse(shown)];
    expect(actual.map(({ line, label }) => line ?? label)).toEqual(expected.map(({ line, label }) => line ?? label));
    // Another processor adds in another order, so a last digit may differ.
    for (const [n, { percent }] of expected.entries()) {
      if (percent !== undefined)
        expect(Math.abs((actual[n]?.percent ?? Number.NaN) - percent)).toBeLessThanOrEqual(0.2);
    }
  });

  it('has the figures of the model card of the starter', async () => {
    const card = await readFile(`${repository}models/starter/README.md`, 'utf8');
    const [, cifar, tiny] =
      /names ([\d.]+) % of the test pictures of CIFAR-10 and ([\d.]+) % of\s+Tiny ImageNet/u.exec(readme) ?? [];
    expect(/^\| CIFAR-10[^|]*\| ([\d.]+)/mu.exec(card)?.[1]).toBe(cifar);
    expect(/^\| Tiny ImageNet, [^|]*\| ([\d.]+)/mu.exec(card)?.[1]).toBe(tiny);
  });

  it('says that the astronaut is labelled as dog without a background class', async () => {
    const line = ['examples/astronaut.jpg', '-l', 'cat,dog,rocket,brick wall', '-f', 'label'];
    expect((await cli(line)).stdout).toBe('dog\n');
    expect((await cli([...line, '--background'])).stdout).toBe('\n');
  });

  it('has no broken links', async () => {
    const links = [...readme.matchAll(/\]\(([^)#]+)/gu)].flatMap(([, link = '']) =>
      /^https?:/u.test(link) ? [] : [link],
    );
    expect(links.length).toBeGreaterThan(10);
    for (const link of links) await access(`${repository}${link}`);
  });

  it('has a valid command line in each row of its table of jobs', async () => {
    const lines = [...readme.matchAll(/^\| [^|]+ \| (.*) \|$/gmu)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`clip-classify ([^`]+)`/gu)].map(([, line = '']) => line),
    );
    expect(lines.length).toBeGreaterThan(12);
    for (const line of lines) {
      const words = [...line.matchAll(/"([^"]*)"|(\S+)/gu)].map(([, quoted, plain]) => quoted ?? plain ?? '');
      const options = words.filter((word) => word.startsWith('-')).map((word) => word.split('=')[0] ?? '');
      const named = Object.hasOwn(COMMANDS, words[0] ?? '') ? [words[0] as string] : [];
      const help = (await cli([...named, ...(named[0] === 'models' ? [words[1] ?? ''] : []), '--help'])).stdout;
      expect(options.filter((option) => !help.includes(option))).toEqual([]);
    }
  });
});
