import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmod,
  copyFile,
  cp,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claimTarget, requireRoom } from '../../src/sorting/apply.ts';
import { manifestPath } from '../../src/sorting/manifest.ts';
import { fixture } from '../paths.ts';
import { cli } from './io.ts';
import { bin } from './program.ts';

let folder: string;
let photos: string;
let target: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sort-'));
  [photos, target] = [join(folder, 'photos'), join(folder, 'sorted')];
  await mkdir(photos);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Rows as `classify` writes them: no model has to run to sort by them. */
async function rowsFile(labels: Readonly<Record<string, string | null>>): Promise<string> {
  const file = join(folder, 'rows.jsonl');
  const rows = Object.entries(labels).map(([name, label]) => JSON.stringify({ image: join(photos, name), label }));
  await writeFile(file, `${rows.join('\n')}\n`);
  return file;
}

async function put(name: string, content = name, at = photos): Promise<void> {
  await mkdir(join(at, name, '..'), { recursive: true });
  await writeFile(join(at, name), content);
}

/** Each file below a folder, with its sha256, mode and time of change to the microsecond. */
async function snapshot(root: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const info = await lstat(path, { bigint: true });
    if (entry.isDirectory()) continue;
    const digest = entry.isSymbolicLink()
      ? 'link'
      : createHash('sha256')
          .update(await readFile(path))
          .digest('hex');
    found[relative(root, path)] = `${digest} ${info.mode} ${info.mtimeNs / 1000n}`;
  }
  return found;
}

const sortedNames = async () =>
  Object.keys(await snapshot(target))
    .filter((name) => !name.startsWith('.'))
    .sort();

describe('sort', () => {
  it('prints a plan and changes nothing without --apply', async () => {
    await put('a.jpg');
    const rows = await rowsFile({ 'a.jpg': 'cat' });
    const { code, stdout, stderr } = await cli(['sort', '--from', rows, '--to', target]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      action: 'copy',
      from: join(photos, 'a.jpg'),
      to: 'cat/a.jpg',
      label: 'cat',
    });
    expect(stderr).toContain('plan');
    await expect(stat(target)).rejects.toThrow('ENOENT');
  });

  it('shows for each label the number of files and three examples', async () => {
    for (const n of [1, 2, 3, 4]) await put(`${n}.jpg`);
    const rows = await rowsFile({ '1.jpg': 'cat', '2.jpg': 'cat', '3.jpg': 'cat', '4.jpg': 'cat' });
    const { stdout } = await cli(['sort', '--from', rows, '--to', target, '-f', 'table']);
    expect(stdout).toBe('cat/  4 files  1.jpg, 2.jpg, 3.jpg, …\n');
  });

  it('counts the files that go with a picture, and names pictures as examples', async () => {
    for (const name of ['b.jpg', 'b.NEF', 'c.jpg']) await put(name);
    const rows = await rowsFile({ 'b.jpg': 'cat', 'c.jpg': 'cat' });
    const line = ['sort', '--from', rows, '--to', target];
    expect((await cli([...line, '-f', 'table'])).stdout).toBe(
      'cat/  3 files  b.jpg, c.jpg\n1 of these files belongs to a picture and goes with it: b.NEF\n',
    );
    const first: unknown = JSON.parse((await cli(line)).stdout.split('\n')[0] ?? '');
    expect(first).toMatchObject({ to: 'cat/b.NEF', picture: join(photos, 'b.jpg') });
  });

  it('classifies the pictures with a model, does not move failed ones, and does not sort its own target again', async () => {
    target = join(photos, 'sorted');
    await copyFile(fixture('images/rgb.png'), join(photos, 'one.png'));
    await put('broken.png');
    const line = ['sort', photos, '-l', 'cat,dog', '-m', fixture('tiny-class'), '--to', target, '--apply'];
    expect((await cli(line)).code).toBe(1);
    const once = await sortedNames();
    expect(once).toEqual([expect.stringMatching(/^(cat|dog)\/one\.png$/u)]);
    await cli(line);
    expect(await sortedNames()).toEqual(once);
    expect(await readFile(join(photos, 'broken.png'), 'utf8')).toBe('broken.png');
  });

  it('never overwrites: identical content is skipped, another file gets -1, and companions keep the stem', async () => {
    await put('a/IMG.jpg', 'one');
    await put('a/IMG.jpg.xmp', 'sidecar one');
    await put('a/IMG.MOV', 'video one');
    await put('b/IMG.jpg', 'two');
    await put('b/IMG.xmp', 'sidecar two');
    await put('c/IMG.jpg', 'one');
    const rows = await rowsFile({ 'a/IMG.jpg': 'cat', 'b/IMG.jpg': 'cat', 'c/IMG.jpg': 'cat' });
    const { stderr } = await cli(['sort', '--from', rows, '--to', target, '--apply', '--move']);
    expect(await sortedNames()).toEqual([
      'cat/IMG-1.jpg',
      'cat/IMG-1.xmp',
      'cat/IMG.MOV',
      'cat/IMG.jpg',
      'cat/IMG.jpg.xmp',
    ]);
    expect(await readFile(join(target, 'cat/IMG-1.xmp'), 'utf8')).toBe('sidecar two');
    expect(Object.keys(await snapshot(photos))).toEqual(['c/IMG.jpg']); // the source of an identical file stays
    expect(stderr).toContain('5 sorted, 1 skipped (identical)');
  });

  it.each([
    ['takes the companions of companions along', 0],
    ['completes a group of which only the first companion was moved', 1],
    ['completes a group of which two companions were moved', 2],
    ['completes a group of which only the companions were moved', 3],
  ])('%s', async (_, moved) => {
    for (const name of ['IMG.jpg', 'IMG.CR2', 'IMG.CR2.xmp', 'IMG.MOV']) await put(name);
    const rows = await rowsFile({ 'IMG.jpg': 'cat' });
    const line = ['sort', '--from', rows, '--to', target, '--move'];
    const { stdout } = await cli(line);
    const order: string[] = stdout
      .trimEnd()
      .split('\n')
      .map((text) => JSON.parse(text).to);
    expect(order.at(-1)).toBe('cat/IMG.jpg'); // a killed run leaves the picture, by which the next run finds the others
    await mkdir(join(target, 'cat'), { recursive: true });
    for (const to of order.slice(0, moved)) await rename(join(photos, basename(to)), join(target, to));
    await cli([...line, '--apply']);
    expect(await sortedNames()).toEqual(['cat/IMG.CR2', 'cat/IMG.CR2.xmp', 'cat/IMG.MOV', 'cat/IMG.jpg']);
  });

  it('sorts a folder into itself, once', async () => {
    await copyFile(fixture('images/rgb.png'), join(photos, 'one.png'));
    const line = ['sort', photos, '-l', 'cat,dog', '-m', fixture('tiny-class'), '--to', photos, '--apply', '--move'];
    expect((await cli(line)).code).toBe(0);
    const once = Object.keys(await snapshot(photos)).filter((name) => name.endsWith('.png'));
    expect(once).toEqual([expect.stringMatching(/^(cat|dog)\/one\.png$/u)]);
    await cli(line);
    expect(Object.keys(await snapshot(photos))).toContain(once[0]);
  });

  it('uses the label of the JPEG for its RAW file, and does not move a file that may belong to two pictures', async () => {
    for (const name of ['R.CR2', 'R.jpg', 'S.png', 'S.webp', 'S.xmp']) await put(name);
    const rows = await rowsFile({ 'R.CR2': 'dog', 'R.jpg': 'cat', 'S.png': 'cat', 'S.webp': 'dog' });
    await cli(['sort', '--from', rows, '--to', target, '--apply', '--move']);
    expect(await sortedNames()).toEqual(['cat/R.CR2', 'cat/R.jpg', 'cat/S.png', 'dog/S.webp']);
    expect(Object.keys(await snapshot(photos))).toEqual(['S.xmp']);
  });

  it('moves pictures without a label to _none, or does not move them', async () => {
    await put('a.jpg');
    const rows = await rowsFile({ 'a.jpg': null });
    await cli(['sort', '--from', rows, '--to', target, '--apply', '--leave']);
    expect(await sortedNames()).toEqual([]);
    await cli(['sort', '--from', rows, '--to', target, '--apply']);
    expect(await sortedNames()).toEqual(['_none/a.jpg']);
  });

  it('never uses a label as a path', async () => {
    const labels = [
      '../up',
      '/etc',
      'con',
      'a/b',
      'dots...',
      'é'.repeat(200),
      'nul .txt',
      '_NONE',
      `${'x'.repeat(199)} y`,
    ];
    const given: Record<string, string> = {};
    for (const [n, label] of labels.entries()) {
      await put(`${n}.jpg`);
      given[`${n}.jpg`] = label;
    }
    const rows = await rowsFile(given);
    const { stderr } = await cli(['sort', '--from', rows, '--to', target, '--apply']);
    const folders = [...new Set((await sortedNames()).map((name) => name.split('/')[0]))];
    expect(folders.sort()).toEqual(
      ['__up', '_con', '_etc', 'a_b', 'dots', 'é'.repeat(100), '_nul .txt', '__NONE', 'x'.repeat(199)].sort(),
    );
    expect(stderr).toContain('the folder of "a/b" is called a_b');
    const clash = await rowsFile({ '0.jpg': 'a/b', '1.jpg': 'A_B' });
    expect(await cli(['sort', '--from', clash, '--to', target])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('E_LABELS'),
    });
  });

  it.each(['--copy', '--move', '--link=hard', '--link=symbolic'])('undoes %s: everything is as before', async (how) => {
    for (const name of ['a.jpg', 'b.jpg', 'sub/a.jpg', 'b.jpg.xmp']) await put(name);
    await chmod(join(photos, 'a.jpg'), 0o640);
    await utimes(join(photos, 'a.jpg'), 1_600_000_000, 1_600_000_000.123456);
    const before = await snapshot(photos);
    const rows = await rowsFile({ 'a.jpg': 'cat', 'b.jpg': 'dog', 'sub/a.jpg': 'cat' });
    expect((await cli(['sort', '--from', rows, '--to', target, '--apply', how])).code).toBe(0);
    expect((await sortedNames()).length).toBe(4);
    const again = await rowsFile(how === '--move' ? {} : { 'a.jpg': 'cat', 'b.jpg': 'dog', 'sub/a.jpg': 'cat' });
    await cli(['sort', '--from', again, '--to', target, '--apply', how]);
    expect((await sortedNames()).length).toBe(4); // a second run adds nothing
    expect(await cli(['sort', '--undo', target])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('4 put back'),
    });
    expect(await snapshot(photos)).toEqual(before);
    expect(await readdir(target)).toEqual([]);
  });

  it('removes the second name that a killed undo left beside a file', async () => {
    await put('a.jpg');
    const before = await snapshot(photos);
    await cli(['sort', '--from', await rowsFile({ 'a.jpg': 'cat' }), '--to', target, '--apply', '--move']);
    const id = Number(/"id":(\d+)/u.exec(await readFile(manifestPath(target), 'utf8'))?.[1]);
    // To another file system, an undo copies the file, gives the copy its name, and then removes the temporary name.
    await cp(join(target, 'cat/a.jpg'), join(photos, 'a.jpg'), { preserveTimestamps: true });
    await link(join(photos, 'a.jpg'), join(photos, `.clip-classify-${id}.tmp`));
    expect((await cli(['sort', '--undo', target, '--quiet'])).code).toBe(0);
    expect(Object.keys(await snapshot(photos))).toEqual(Object.keys(before));
    expect(await readdir(target)).toEqual([]);
  });

  it('keeps the mode and the time of a copy', async () => {
    await put('a.jpg');
    await chmod(join(photos, 'a.jpg'), 0o640);
    await utimes(join(photos, 'a.jpg'), 1_600_000_000, 1_600_000_000.123456);
    await cli(['sort', '--from', await rowsFile({ 'a.jpg': 'cat' }), '--to', target, '--apply']);
    expect((await snapshot(target))['cat/a.jpg']).toBe((await snapshot(photos))['a.jpg']);
  });

  it('says that there is nothing to undo in a folder without a record, and in no folder', async () => {
    expect(await cli(['sort', '--undo', photos])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(`nothing to put back: ${photos} has no record of a sort`),
    });
    expect(await cli(['sort', '--undo', join(photos, 'none')])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`there is no folder ${join(photos, 'none')}; give the folder`),
    });
  });

  it.skipIf(process.platform === 'win32').each([
    ['a FIFO', async (path: string) => void execFileSync('mkfifo', [path])],
    ['a link to an empty file', (path: string) => symlink('../victim', path)],
    ['a link to a device without end', (path: string) => symlink('/dev/zero', path)],
    ['a folder', (path: string) => mkdir(path)],
  ])('refuses a record that is %s, and writes nothing through it (not on Windows)', async (_, make) => {
    await put('a.jpg');
    await put('victim', '', folder);
    await mkdir(target);
    await make(manifestPath(target));
    const rows = await rowsFile({ 'a.jpg': 'cat' });
    for (const command of [
      ['--from', rows, '--to', target, '--apply'],
      ['--undo', target],
    ]) {
      const { code, stderr } = await cli(['sort', ...command]);
      const line = `E_OUTPUT: ${manifestPath(target)} is no record of a sort: it is not a regular file`;
      expect([code, stderr]).toEqual([2, expect.stringContaining(line)]);
    }
    expect(await readFile(join(folder, 'victim'), 'utf8')).toBe('');
    expect(await readdir(target)).toEqual([basename(manifestPath(target))]);
  });

  it.skipIf(process.platform === 'win32')(
    'reads rows from a pipe, and no line without end (not on Windows)',
    async () => {
      await put('a.jpg');
      const rows = await rowsFile({ 'a.jpg': 'cat' });
      const script = `"${process.execPath}" "${bin}" sort --from <(cat '${rows}') --to '${target}' --quiet`;
      const plan = execFileSync('bash', ['-c', script], { encoding: 'utf8' });
      expect(JSON.parse(plan)).toMatchObject({ from: join(photos, 'a.jpg'), label: 'cat' });
      const { code, stderr } = await cli(['sort', '--from', '/dev/zero', '--to', target]);
      expect([code, stderr]).toEqual([2, expect.stringContaining('one line has more than 1000000 characters')]);
    },
  );

  it('notices every changed byte of its record: the file that a line names is put back or reported', async () => {
    await put('a.jpg');
    const rows = await rowsFile({ 'a.jpg': 'cat' });
    await cli(['sort', '--from', rows, '--to', target, '--move', '--apply']);
    const record = await readFile(manifestPath(target));
    const move = record.indexOf('"operation"');
    for (let at = move; at < record.indexOf(',"check"', move); at += 11) {
      const changed = Buffer.from(record);
      changed.writeUInt8((record[at] as number) ^ 1, at);
      await writeFile(manifestPath(target), changed);
      const { code, stderr } = await cli(['sort', '--undo', target]);
      expect([code, stderr], `byte ${at}`).toEqual([1, expect.stringContaining('line 3 of')]);
      expect(await readdir(photos), `byte ${at}`).toEqual([]);
    }
    await writeFile(manifestPath(target), record);
    expect(await cli(['sort', '--undo', target])).toMatchObject({ code: 0 });
    expect(await readdir(photos)).toEqual(['a.jpg']);
  });

  it('does not undo a file that changed, says so, and keeps the manifest', async () => {
    await put('a.jpg');
    await put('b.jpg');
    await cli([
      'sort',
      '--from',
      await rowsFile({ 'a.jpg': 'cat', 'b.jpg': 'cat' }),
      '--to',
      target,
      '--apply',
      '--move',
    ]);
    await writeFile(join(target, 'cat/a.jpg'), 'edited');
    const first = await cli(['sort', '--undo', target]);
    expect(first).toMatchObject({ code: 1, stderr: expect.stringContaining('it has changed since then') });
    expect(await sortedNames()).toEqual(['cat/a.jpg']);
    expect(Object.keys(await snapshot(photos))).toEqual(['b.jpg']);
  });

  it('refuses options that choose labels next to --from, which has labels', async () => {
    const rows = await rowsFile({ 'a.jpg': 'cat' });
    const { code, stderr } = await cli(['sort', '--from', rows, '--to', target, '--threshold', '0.5']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('--threshold chooses labels')]);
  });

  it('needs room for a move to another disk only, and makes nothing if there is too little', async (context) => {
    const free = await statfs('/dev/shm').catch(() => undefined);
    if (free === undefined) return context.skip('there is no /dev/shm');
    await put('a.jpg');
    await truncate(join(photos, 'a.jpg'), free.bavail * free.bsize + 1e6); // a hole: it takes no space where it is
    const other = join('/dev/shm', `sort-${process.pid}`);
    const { size } = await stat(join(photos, 'a.jpg'));
    const transfer = { operation: 'move', from: join(photos, 'a.jpg'), to: 'cat/a.jpg', size, sha256: '' } as const;
    await expect(requireRoom(other, [transfer])).rejects.toMatchObject({ code: 'E_OUTPUT' });
    await expect(requireRoom(photos, [transfer])).resolves.toBeUndefined(); // on one file system a move takes no space
    await expect(stat(other)).rejects.toThrow('ENOENT');
  });

  it('says once that hard links cannot lead to another file system', async (context) => {
    const other = await mkdtemp('/dev/shm/sort-').catch(() => undefined);
    if (other === undefined) return context.skip('there is no /dev/shm');
    try {
      await put('a.jpg');
      await put('b.jpg');
      const rows = await rowsFile({ 'a.jpg': 'cat', 'b.jpg': 'cat' });
      const { code, stderr } = await cli(['sort', '--from', rows, '--to', other, '--apply', '--link']);
      expect([code, stderr]).toEqual([2, expect.stringMatching(/on another file system.*--link=symbolic/u)]);
      expect(await cli(['sort', '--undo', other])).toMatchObject({ code: 0 });
      expect(await readdir(other)).toEqual([]);
    } finally {
      await rm(other, { recursive: true });
    }
  });

  it('does not move symbolic links among the sources', async () => {
    await put('a.jpg');
    await symlink(join(photos, 'a.jpg'), join(photos, 'link.jpg'));
    await cli(['sort', '--from', await rowsFile({ 'link.jpg': 'cat' }), '--to', target, '--apply', '--move']);
    expect((await lstat(join(photos, 'link.jpg'))).isSymbolicLink()).toBe(true);
  });

  it('lets one run at a time sort into a folder; both end without a lost file', async () => {
    const labels: Record<string, string> = {};
    for (let n = 0; n < 200; n++) {
      await put(`${n}.jpg`, `picture ${n} `.repeat(1000));
      labels[`${n}.jpg`] = n % 2 === 0 ? 'even' : 'odd';
    }
    const before = await snapshot(photos);
    const rows = await rowsFile(labels);
    const run = () => cli(['sort', '--from', rows, '--to', target, '--apply', '--move', '--quiet']);
    const codes = (await Promise.all([run(), run()])).map(({ code, stderr }) => [code, stderr.split('\n').length]);
    expect(codes).toContainEqual([0, 1]);
    expect(codes).toContainEqual([2, 2]); // one line
    expect(Object.keys(await snapshot(photos))).toEqual([]);
    expect((await cli(['sort', '--undo', target, '--quiet'])).code).toBe(0);
    expect(await snapshot(photos)).toEqual(before);
    expect(await readdir(target)).toEqual([]);
  });

  it('is refused in one line while another run has the folder, whatever happens to its pictures', async () => {
    const other = await claimTarget(target);
    const line = [
      'sort',
      join(photos, 'gone.jpg'),
      '-l',
      'cat,dog',
      '-m',
      fixture('tiny-class'),
      '--to',
      target,
      '--apply',
    ];
    const { code, stderr } = await cli(line);
    expect([code, stderr]).toEqual([
      2,
      `clip-classify: error: E_OUTPUT: another run is sorting into ${target}; wait until it ends, or use another folder\n`,
    ]);
    await other.release();
    expect(await readdir(folder)).toEqual(['photos']);
  });

  it('leaves no empty folder behind if there is nothing to sort', async () => {
    await mkdir(join(folder, 'old'));
    for (const to of [target, join(folder, 'new', 'deep'), join(folder, 'old')]) {
      const { code } = await cli(['sort', photos, '-l', 'cat,dog', '-m', fixture('tiny-class'), '--to', to, '--apply']);
      expect(code).toBe(2);
    }
    expect((await readdir(folder, { recursive: true })).sort()).toEqual(['old', 'photos']);
  });

  it('loses and repeats no file when it is killed, and undo still moves everything back', async () => {
    const labels: Record<string, string> = {};
    for (let n = 0; n < 300; n++) {
      await put(`${n % 7}/${n}.jpg`, `picture ${n} `.repeat(2000));
      labels[`${n % 7}/${n}.jpg`] = n % 2 === 0 ? 'even' : 'odd';
    }
    const before = await snapshot(photos);
    const rows = await rowsFile(labels);
    for (const delay of [300, 450, 600, 900]) {
      const child = spawn(
        process.execPath,
        [bin, 'sort', '--from', rows, '--to', target, '--apply', '--move', '--quiet'],
        {
          stdio: 'ignore',
        },
      );
      const ended = once(child, 'exit'); // a fast run may be over before it is killed
      await sleep(delay);
      child.kill('SIGKILL');
      await ended;
    }
    const contents = async () => {
      const all = { ...(await snapshot(photos)), ...(await snapshot(target).catch(() => ({}))) };
      return new Set(
        Object.entries(all).flatMap(([name, facts]) => (name.endsWith('.jpg') ? [facts.split(' ')[0]] : [])),
      );
    };
    expect((await contents()).size).toBe(300);
    expect((await cli(['sort', '--from', rows, '--to', target, '--apply', '--move', '--quiet'])).code).toBe(0);
    expect((await sortedNames()).filter((name) => !name.endsWith('.tmp')).length).toBe(300);
    expect((await cli(['sort', '--undo', target, '--quiet'])).code).toBe(0);
    expect(await snapshot(photos)).toEqual(before);
    expect(await readdir(target)).toEqual([]);
  });
});
