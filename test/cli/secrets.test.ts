import { execFileSync } from 'node:child_process';
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../paths.ts';
import { cli } from './io.ts';
import { bin, TINY } from './program.ts';

const SECRET = 'S3cretPw';
const MODEL = TINY.slice(2);
/** Spellings that a parser of URLs accepts, or that a person may type; nothing listens on port 1. */
const URLS = [
  `http://user:${SECRET}@127.0.0.1:1/a.png`,
  `http:///user:${SECRET}@127.0.0.1:1/b.png`,
  `http:////user:${SECRET}@127.0.0.1:1/c.png`,
  `http:\\\\user:${SECRET}@127.0.0.1:1/d.png`,
  `http:user:${SECRET}@127.0.0.1:1/e.png`,
  `HTTPS://user:${SECRET}@127.0.0.1:1/f.png`,
  `http://user:${SECRET}%40x@127.0.0.1:1/g.png`,
  `http://user:a/${SECRET}@127.0.0.1:1/h.png`,
  `http://user:a?${SECRET}@127.0.0.1:1/i.png`,
  `http://user:a#${SECRET}@127.0.0.1:1/j.png`,
  `http://user:${SECRET}@x@127.0.0.1:1/k.png`,
  `http://user:${SECRET}@[::1]:1/l.png`,
  `ht\ttp://user:${SECRET}@127.0.0.1:1/n.png`,
  `http:/\n/user:${SECRET}@127.0.0.1:1/o.png`,
  `http://user:${SECRET}\uFF20127.0.0.1:1/p.png`,
  `ftp://user:${SECRET}@127.0.0.1/m.png`,
  `s3://user:${SECRET}@bucket/n.png`,
];

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'secrets-'));
  await writeFile(join(root, 'list'), URLS.join('\0'));
});
afterAll(() => rm(root, { recursive: true }));

describe('a password in a URL', () => {
  it.each([
    ['classify', [...TINY, '--log', 'json', '--verbose', '--summary', 'summary.json', '-o', 'rows.jsonl']],
    ['embed', [...MODEL, '-o', 'rows.npy']],
    ['find', ['cat', ...MODEL, '-o', 'found.jsonl']],
    ['sort', [...TINY, '--to', 'sorted', '--apply']],
    ['tag', TINY],
  ])('is in no row, message or file of %s', async (command, options) => {
    const folder = await mkdtemp(join(root, `${command}-`));
    const FILES = new Set(['summary.json', 'rows.jsonl', 'rows.npy', 'found.jsonl', 'sorted']);
    const args = options.map((option) => (FILES.has(option) ? join(folder, option) : option));
    const { code, stdout, stderr } = await cli([command, '-0', '--files-from', join(root, 'list'), ...args]);
    expect(code).toBe(1);
    const names = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    const texts = await Promise.all(names.map(({ parentPath, name }) => readFile(join(parentPath, name), 'latin1')));
    expect([stdout, stderr, ...texts].join('')).toContain('127.0.0.1:1/a.png');
    expect([stdout, stderr, ...texts].join('')).not.toContain(SECRET);
  });

  it.each([
    ['doctor', ['doctor'], `http://user:${SECRET}@127.0.0.1:1`],
    ['models pull', ['models', 'pull', 'some-org/some-model'], `user:${SECRET}@127.0.0.1`],
  ])('of HF_ENDPOINT or a proxy is in no message of %s', async (_, args, login) => {
    const { stdout, stderr } = await cli(args, { env: { HF_ENDPOINT: login, https_proxy: login } });
    expect(stdout + stderr).toContain('127.0.0.1');
    expect(stdout + stderr).not.toContain(SECRET);
  });

  it('is in no message about a model', async () => {
    const { code, stderr } = await cli(['x.png', '-l', 'cat', '-m', `http://user:${SECRET}@127.0.0.1:1/model`]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('***@127.0.0.1:1/model')]);
    expect(stderr).not.toContain(SECRET);
  });
});

const hasTerminal = (() => {
  try {
    execFileSync('script', ['-qec', 'true', '/dev/null'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

describe.skipIf(!hasTerminal)('a terminal (skipped if there is no script command)', () => {
  const [title, right, isolate] = ['\u001b]0;owned\u0007', '\u202e', '\u2066'];
  const quote = (word: string) => `'${word}'`;

  it('gets no escape sequence and no bidi control of a file name or label', async () => {
    const folder = await mkdtemp(join(root, 'names-'));
    const pictures = [`a${right}${isolate}.png`, `b${title}.png`].map((name) => join(folder, name));
    for (const picture of pictures) await copyFile(fixture('images/rgb.png'), picture);
    await writeFile(join(folder, `broken${right}${title}.png`), 'no picture');
    const label = `cat${right}${title}`;
    const commands = [
      [folder, ...TINY, '--verbose'],
      [folder, ...TINY, '-f', 'label'],
      [folder, '-l', `${label},dog`, ...MODEL],
      ['find', label, folder, ...MODEL],
      ['sort', folder, ...TINY, '--to', join(folder, `to${title}${right}`)],
      ['tag', folder, ...TINY, '--dry-run'],
      ['labels', 'lint', '-l', `${label},cat`],
      [`missing${title}${right}.png`, '-l', 'cat', '-m', `no${title}${right}`],
      [`doctr${title}${right}`],
    ];
    const script = commands.map((words) => [process.execPath, bin, ...words].map(quote).join(' ')).join('; ');
    const log = join(root, 'terminal');
    execFileSync('script', ['-qec', `${script}; true`, log], { stdio: 'ignore' });
    const shown = (await readFile(log, 'utf8')).split('\n').slice(1, -2).join('\n'); // its own lines quote the commands
    expect(shown).toContain('broken');
    expect(shown).toContain('E_MODEL');
    for (const raw of ['\u001b]', '\u0007', right, isolate]) expect(shown).not.toContain(raw);
  });
});
