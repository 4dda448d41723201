import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serve } from '../image/server.ts';
import { rowPath, writeOddNames } from '../inputs/odd-names.ts';
import { fixture } from '../paths.ts';
import { classifyWhileChanging } from './changing-folder.ts';
import { cli } from './io.ts';
import { bin } from './program.ts';

const MODEL = ['-m', fixture('tiny-class'), '-l', 'cat,dog', '-k', '1'];
const image = fixture('images/rgb.png');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'inputs-'));
});
afterAll(() => rm(folder, { recursive: true }));
const rows = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

/** Runs a shell, because only a shell can pass arguments of any bytes. `"$@"` is the program and its options. */
function shell(script: string, cwd: string, ...options: string[]) {
  const words = ['-c', script, 'bash', process.execPath, bin, ...MODEL, ...options];
  return promisify(execFile)('bash', words, { cwd, env: { ...process.env, LC_ALL: 'C' } });
}

describe('files with odd names are read, and rows have the bytes of the names', () => {
  let odd: string;
  let expected: Buffer[];
  beforeAll(async () => {
    odd = join(folder, 'odd');
    await mkdir(odd);
    expected = (await writeOddNames(odd)).map((path) => path.subarray(odd.length + 1));
  });

  it.each([
    ['in a folder', '"$@" .'],
    ['in a list, separated by NUL', 'printf "%s\\0" * | "$@" -0 --files-from -'],
    ['as arguments', '"$@" -- *'],
    ['by a glob', '"$@" "?*.png"'],
  ])('%s', async (_, script) => {
    const { stdout } = await shell(script, odd, '--quiet');
    const found = rows(stdout);
    expect(found.map(({ error }) => error)).toEqual(found.map(() => undefined));
    // A search of folders adds ./ to them.
    const paths = found
      .map(rowPath)
      .map((path) => (path.toString('latin1').startsWith('./') ? path.subarray(2) : path));
    expect(paths.sort(Buffer.compare)).toEqual(expected);
  });

  it('also with stored embeddings, and in rows of embed', async () => {
    const embeddings = join(folder, 'odd.jsonl');
    const cache = { CLIP_CLASSIFY_CACHE: join(folder, 'cache') };
    for (const _ of ['encoded', 'stored']) {
      const { stdout } = await cli([odd, ...MODEL], { env: cache });
      expect(rows(stdout).map(rowPath)).toEqual(expected.map((path) => Buffer.concat([Buffer.from(`${odd}/`), path])));
    }
    await cli(['embed', odd, ...MODEL.slice(0, 2), '-o', embeddings], { env: cache });
    const { stdout } = await cli(['--from', embeddings, ...MODEL], { env: cache });
    expect(rows(stdout).map(rowPath)).toEqual(expected.map((path) => Buffer.concat([Buffer.from(`${odd}/`), path])));
  });

  it('as CSV of RFC 4180', async () => {
    const { stdout } = await shell('"$@" -- *', odd, '--quiet', '-f', 'csv');
    // A field: quoted, with quotes doubled; or without quotes, commas and line breaks (RFC 4180, section 2).
    const record = /(?:^|\n)(?:"((?:[^"]|"")*)"|([^",\r\n]*)),/gy;
    const names: string[] = [];
    for (let match = record.exec(stdout); match; match = record.exec(stdout)) {
      names.push(match[1]?.replaceAll('""', '"') ?? (match[2] as string));
      record.lastIndex = stdout.indexOf('\n', record.lastIndex);
    }
    expect(names).toEqual(['image', ...expected.sort(Buffer.compare).map(String)]);
  });

  it('without control bytes on a terminal', async () => {
    await mkdir(join(folder, 'escapes'));
    await writeFile(join(folder, 'escapes/\x1b]0;owned\x07\x9b31m.png'), 'no image');
    for (const format of ['table', 'jsonl', 'json']) {
      const { stdout, stderr } = await cli([join(folder, 'escapes'), ...MODEL, '-f', format, '--verbose'], {
        tty: true,
        env: { NO_COLOR: '1' },
      });
      expect(stdout + stderr.replaceAll('\r\x1b[2K', '')).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
    }
  });
});

describe('standard input', () => {
  it('is one image, called -', async () => {
    const { code, stdout } = await cli(['-', ...MODEL], { stdin: await readFile(image) });
    expect([code, rows(stdout)[0]]).toEqual([0, expect.objectContaining({ image: '-', label: expect.any(String) })]);
  });

  it('is an error row if it is empty or too large', async () => {
    const empty = await cli(['-', ...MODEL]);
    expect([empty.code, rows(empty.stdout)[0].error.code]).toEqual([1, 'E_DECODE']);
    const long = await shell('head -c 200000001 /dev/zero | "$@" - || echo "{\\"code\\":$?}"', folder);
    expect(rows(long.stdout)).toMatchObject([{ error: { code: 'E_FILE_SIZE' } }, { code: 1 }]);
  });

  it('may stand among other images', async () => {
    const { code, stdout } = await cli([image, '-', image, ...MODEL], { stdin: await readFile(image) });
    expect([code, rows(stdout).map((row) => row.image)]).toEqual([0, [image, '-', image]]);
  });
});

describe('a list', () => {
  it('that arrives slowly is answered path by path, before it is closed', async () => {
    const child = spawn(process.execPath, [bin, '--files-from', '-', ...MODEL, '--quiet']);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    for (const name of [image, 'nothing.png', fixture('images/odd.jpg')]) {
      child.stdin.write(`${name}\n`); // and no more before it is answered
      expect(JSON.parse((await lines.next()).value).image).toBe(name);
    }
    child.stdin.end();
    expect(await once(child, 'close')).toEqual([1, null]);
  });

  it('that stays open does not keep the program running if the reader of the output has gone', async () => {
    const child = spawn(process.execPath, [bin, '--files-from', '-', ...MODEL, '--quiet']);
    child.stdin.write(`${image}\n`);
    await once(child.stdout, 'data');
    child.stdout.destroy();
    child.stdin.write(`${image}\n${image}\n`);
    expect(await once(child, 'close')).toEqual([0, null]);
  });

  it('may be empty', async () => {
    expect(await cli(['--files-from', '-', ...MODEL], { stdin: '\n' })).toEqual({ code: 0, stdout: '', stderr: '' });
    const json = await cli(['--files-from', '-', ...MODEL, '-f', 'json'], { stdin: '' });
    expect(JSON.parse(json.stdout)).toMatchObject({ model: 'tiny-class', results: [] });
  });

  it('contains files only: a folder in it is an error row', async () => {
    const { code, stdout } = await cli(['--files-from', '-', ...MODEL], { stdin: `${folder}\n` });
    expect([code, rows(stdout)[0].error]).toEqual([
      1,
      { code: 'E_UNREADABLE', message: expect.stringMatching(/is a folder, not an image; pass folders as arguments/) },
    ]);
  });
});

it('follows links to files that a glob matches, like a glob that the shell expands', async () => {
  const links = await mkdtemp(join(tmpdir(), 'links-'));
  await symlink(image, join(links, 'a.png'));
  await symlink('/nothing', join(links, 'b.png'));
  await symlink(dirname(image), join(links, 'c.png')); // folders are not searched
  const { stdout } = await cli([`${links}/*.png`, ...MODEL]);
  expect(rows(stdout).map(({ error, ...row }) => [row.image, error?.code])).toEqual([
    [join(links, 'a.png'), undefined],
    [join(links, 'b.png'), 'E_NOT_FOUND'],
  ]);
  await rm(links, { recursive: true });
});

describe('URLs', () => {
  it('are downloaded, alone or among others, and a password is never shown', async () => {
    const server = await serve({
      '/a.png': async (_, response) => response.end(await readFile(image)),
      '/no.png': (_, response) => response.writeHead(500).end(),
    });
    const urls = ['/a.png', '/no.png', '/a.png'].map((path) => server.origin.replace('//', '//me:secret@') + path);
    const alone = await cli([`${urls[0]}`, ...MODEL]);
    const many = await cli([...urls, image, ...MODEL]);
    const offline = await cli([...urls, ...MODEL, '--offline']);
    await server.close();
    expect(rows(alone.stdout)).toMatchObject([{ image: `${server.origin}/a.png` }]);
    const [first, failed, third, local] = rows(many.stdout);
    expect([many.code, failed.error.code]).toEqual([1, 'E_URL']);
    expect([first.score, third.score]).toEqual([local.score, local.score]);
    expect(rows(offline.stdout).map(({ error }) => error.code)).toEqual(['E_URL', 'E_URL', 'E_URL']);
    expect(JSON.stringify([alone, many, offline])).not.toContain('secret');
    expect(server.seen).toHaveLength(4);
  });
});

it('has a correct row for each image that is deleted, truncated or replaced during the run', async () => {
  const { exitCode, rows, files } = await classifyWhileChanging(300);
  const unchanged = rows[0]?.score;
  expect(exitCode).toBe(1);
  expect(rows.map((row) => row.image)).toEqual(files.map(({ path }) => path));
  const truth = { none: true, deleted: 'E_NOT_FOUND', truncated: 'E_DECODE', replaced: false };
  const outcomes = rows.map(({ error, score }) => error?.code ?? score === unchanged);
  expect(outcomes).toEqual(files.map(({ change }) => truth[change]));
});

it('refuses a FIFO at once, and ends', async () => {
  await promisify(execFile)('mkfifo', [join(folder, 'fifo.png')]);
  const { stdout } = await shell('"$@" fifo.png /dev/zero || true', folder);
  expect(rows(stdout).map(({ error }) => error.code)).toEqual(['E_UNREADABLE', 'E_UNREADABLE']);
});

describe('wrong usage ends with exit code 2 and one line', () => {
  it.each([
    [['-', '--files-from', '-'], /E_USAGE: standard input is used twice/],
    [['-', '-'], /E_USAGE: standard input is used twice/],
    [['x.png', '-0'], /E_USAGE: -0 needs --files-from/],
    [['x.png', '--shard', '3/2'], /E_USAGE: .*"3\/2" is not a valid shard; use i\/n/],
    [['--files-from', '/nothing/list'], /E_USAGE: cannot read the list \/nothing\/list: no such file or folder/],
    [['--files-from', fixture('images')], /E_USAGE: cannot read the list .*: it is a folder/],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await cli([...args, ...MODEL]);
    expect([code, stdout, stderr.trimEnd().split('\n').length]).toEqual([2, '', 1]);
    expect(stderr).toMatch(message);
  });

  it('a list with NULs, without -0', async () => {
    const { code, stderr } = await cli(['--files-from', '-', ...MODEL], { stdin: 'a.png\0b.png\0' });
    expect([code, stderr]).toEqual([2, expect.stringMatching(/on standard input contains NUL bytes; add -0/)]);
  });
});
