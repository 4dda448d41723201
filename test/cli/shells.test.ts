import { execFile, execFileSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../paths.ts';
import { cli } from './io.ts';
import { bin, TINY } from './program.ts';

let folder: string;
let photo: string;
let broken: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shells-'));
  photo = join(folder, 'photo.png');
  broken = join(folder, 'broken.jpg');
  await copyFile(fixture('images/rgb.png'), photo);
  await writeFile(broken, (await readFile(fixture('images/odd.jpg'))).subarray(0, 300));
});
afterAll(() => rm(folder, { recursive: true }));

describe('a failure', () => {
  it.each([
    ['-f', 'label'],
    ['--match', 'cat'],
    ['--quiet', '-f', 'label'],
    ['--match', 'cat', '--print0'],
  ])('is reported on standard error with %s', async (...options) => {
    const { code, stderr } = await cli([broken, ...TINY, ...options]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/E_DECODE: \S+broken\.jpg/);
  });
});

describe('an option that has one value', () => {
  it.each([
    ['--output', ['-o', 'a.csv', '-o', 'b.csv']],
    ['--format', ['-fcsv', '--format=json']],
    ['--top', ['-k', '1', '--top', '2']],
    ['--threshold', ['--threshold', '0.1', '--threshold', '0.2']],
    ['--files-from', ['--files-from', 'a', '--files-from', 'b']],
    ['--page', ['--page', '1', '--page', 'all']],
  ])('is refused twice: %s', async (name, options) => {
    const { code, stderr } = await cli([photo, ...TINY, ...options]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(`E_USAGE: ${name} is given twice`)]);
  });
});

it.each(['cpu', 'cuda:0', 'mps', ''])('--device %j leads to --provider', async (device) => {
  const { code, stderr } = await cli([photo, ...TINY, '--device', device]);
  expect([code, stderr]).toEqual([2, expect.stringMatching(/from 0 to 255.*--provider/)]);
});

describe('an address', () => {
  it('of a local file is the file, in every command', async () => {
    const address = pathToFileURL(photo).href;
    const single = address.replace('file://', 'file:');
    for (const image of [address, single]) {
      const { stdout } = await cli([image, ...TINY, '-f', 'jsonl']);
      expect(JSON.parse(stdout)).toMatchObject({ image, label: expect.any(String) });
    }
    const tagged = await cli(['tag', address, ...TINY, '--dry-run', '-f', 'jsonl']);
    expect(JSON.parse(tagged.stdout)).toMatchObject({ sidecar: `${photo}.xmp` });
    const sorted = await cli(['sort', address, ...TINY, '--to', join(folder, 'sorted'), '-f', 'jsonl']);
    expect(JSON.parse(sorted.stdout)).toMatchObject({ action: 'copy', from: photo });
    const list = join(folder, 'list');
    await writeFile(list, `${photo}\n`);
    const listed = await cli(['--files-from', pathToFileURL(list).href, ...TINY, '-f', 'jsonl']);
    expect(listed.code).toBe(0);
  });

  it.each(['s3://bucket/a.jpg', 'gs://bucket/a.jpg', 'ftp://host/a.jpg', 'file://host/a.jpg', 'blob:http://a/b'])(
    'of another kind is named: %s',
    async (address) => {
      const { stdout } = await cli([address, ...TINY, '-f', 'jsonl']);
      expect(JSON.parse(stdout).error).toMatchObject({ code: 'E_URL', message: expect.stringContaining('an address') });
      expect((await cli(['eval', address, ...TINY])).stderr).toContain('an address');
    },
  );

  it('of many characters is shortened', async () => {
    const { stdout } = await cli([`data:image/png;base64,${'A'.repeat(10_000)}`, ...TINY, '-f', 'jsonl']);
    expect(JSON.parse(stdout).error.message.length).toBeLessThan(300);
  });

  it('is not an output', async () => {
    const { code, stderr } = await cli([photo, ...TINY, '-o', 's3://bucket/out.csv']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('E_OUTPUT')]);
  });
});

describe('a name', () => {
  it.each([' photo.png', 'photo.png ', 'photo.png\r', 'photo.png\n', ''])('shows its white space: %j', async (name) => {
    const { stdout } = await cli([name, ...TINY, '-f', 'jsonl']);
    expect(JSON.parse(stdout).error.message).toContain(name === '' ? 'is empty' : JSON.stringify(name));
    const { stderr } = await cli([photo, ...TINY, '--labels-file', name]);
    expect(stderr).toContain(JSON.stringify(name));
  });
});

describe('standard output', () => {
  it('is what -o - means', async () => {
    const { code, stdout } = await cli([photo, ...TINY, '-o', '-', '-f', 'csv']);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^image,rank,/)]);
  });

  it('has no escape sequences on a dumb terminal', async () => {
    const written = async (TERM: string) => {
      const { stdout, stderr } = await cli([photo, broken, ...TINY], { tty: true, env: { TERM } });
      return stdout + stderr;
    };
    expect(await written('xterm')).toContain('\u001b');
    expect(await written('dumb')).not.toContain('\u001b');
  });

  it('into a missing folder names the folder', async () => {
    const { code, stderr } = await cli([photo, ...TINY, '-o', join(folder, 'results', 'out.csv')]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/the folder \S+results does not exist/)]);
    expect(stderr).not.toContain('.run.');
  });
});

describe('standard input', () => {
  it.each([
    ['-', '--labels-file', '-'],
    ['--files-from', '-', '--labels-file', '-'],
    ['/dev/stdin', '--labels-file', '/dev/stdin'],
  ])('is not read twice: %s %s %s', async (...args) => {
    const { code, stderr } = await cli([...args, '-m', fixture('tiny-class')], { stdin: 'cat\n' });
    expect([code, stderr]).toEqual([2, expect.stringContaining('standard input is used twice')]);
  });

  it('has no sidecar and is not sorted', async () => {
    const stdin = await readFile(photo);
    const tagged = await cli(['tag', '-', ...TINY, '-f', 'jsonl'], { stdin });
    expect(JSON.parse(tagged.stdout).error.code).toBe('E_UNREADABLE');
    const sorted = await cli(['sort', '-', ...TINY, '--to', join(folder, 'sorted')], { stdin });
    expect([sorted.code, sorted.stdout]).toEqual([1, '']);
  });
});

describe('a folder', () => {
  it('is searched without links, folders of other programs and --exclude, and one line says so', async () => {
    const root = join(folder, 'photos');
    for (const name of ['@eaDir', '__MACOSX', '#recycle', 'private']) {
      await mkdir(join(root, name), { recursive: true });
      await copyFile(photo, join(root, name, 'a.png'));
    }
    for (const name of ['a.png', 'b.jfif', 'c.jpe', 'pair.nef', 'pair.jpg', 'later.jxl', 'film.mov'])
      await copyFile(name.startsWith('a') ? photo : fixture('images/odd.jpg'), join(root, name));
    await symlink('a.png', join(root, 'link.png'));
    const { stdout, stderr } = await cli([root, '--exclude', 'private', ...TINY, '-f', 'jsonl']);
    const images = stdout
      .trimEnd()
      .split('\n')
      .map((row) => JSON.parse(row).image.slice(root.length + 1));
    expect(images).toEqual(['a.png', 'b.jfif', 'c.jpe', 'pair.jpg']);
    const line = stderr.split('\n').find((one) => one.startsWith('left out: ')) ?? '';
    for (const part of ['3 folder', '--exclude', '--follow', '1 .jxl file', '1 video', '1 RAW file'])
      expect(line).toContain(part);
  });
});

// The program itself: what a shell and the system give it.
describe.skipIf(platform() !== 'linux')('the program on Linux', () => {
  const shell = (script: string) =>
    promisify(execFile)('bash', [
      '-c',
      `photo=$1; shift; ${script}`,
      'bash',
      photo,
      process.execPath,
      bin,
      ...TINY,
    ]).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
    );

  it('reads /dev/stdin and <(…), appends to >>, and names a full disk', async () => {
    const [piped, appended, full] = await Promise.all([
      shell('cat "$photo" | "$@" /dev/stdin <(cat "$photo") -f csv -k 1'),
      shell(`cd ${folder}; echo keep > log; "$@" "$photo" -f csv -o /dev/stdout >> log; cat log`),
      shell('"$@" "$photo" -f csv > /dev/full'),
    ]);
    expect(piped.stdout.split('\n').map((row: string) => row.split(',')[0])).toEqual([
      'image',
      '/dev/stdin',
      expect.stringMatching('/dev/fd/'),
      '',
    ]);
    expect(appended.stdout).toMatch(/^keep\nimage,/);
    expect([full.code, full.stderr]).toEqual([2, expect.stringContaining('no space is left')]);
  });

  it('gives the same row if WebAssembly gets no memory', async () => {
    const row = (limit: string) => shell(`${limit} "$@" "$photo" -f jsonl`);
    const [free, limited] = await Promise.all([row(''), row('ulimit -v 6000000;')]);
    expect(free).toMatchObject({ code: 0, stdout: expect.stringContaining('"label"') });
    expect(limited).toEqual(free);
  });

  it('reads YAML labels as it is installed', () => {
    const labels = join(folder, 'labels.yaml');
    const script = `printf 'names: [cat, dog]\\n' > ${labels}; ${process.execPath} ${bin} ${photo} --labels-file ${labels} -m ${fixture('tiny-class')} -f label`;
    expect(execFileSync('bash', ['-c', script], { encoding: 'utf8' })).toMatch(/^(cat|dog)\n$/);
  });
});
