import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdtemp, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getuid } from 'node:process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identityOf, readSource, sourceOfText } from '../../src/image/source.ts';
import { HUMBLE } from '../cli/program.ts';
import { fixture } from '../paths.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'source-'));
});
afterAll(() => rm(folder, { recursive: true }));
const here = (name: string) => join(folder, name);
const wrong = (code: string, message: RegExp) => ({ code, message: expect.stringMatching(message) });

describe('a path that is not a regular file', () => {
  it('is refused at once, and the error names its kind', async () => {
    await promisify(execFile)('mkfifo', [here('fifo')]);
    const socket = createServer().listen(here('socket'));
    await once(socket, 'listening');
    const start = performance.now();
    await expect(readSource(sourceOfText(here('fifo')))).rejects.toMatchObject(
      wrong('E_UNREADABLE', /fifo is not a regular file, but a FIFO/),
    );
    await expect(readSource(sourceOfText(here('socket')))).rejects.toMatchObject(
      wrong('E_UNREADABLE', /socket is not a regular file, but a socket/),
    );
    await expect(readSource(sourceOfText('/dev/zero'))).rejects.toMatchObject(
      wrong('E_UNREADABLE', /zero is not a regular file, but a device/),
    );
    await expect(readSource(sourceOfText(folder))).rejects.toMatchObject(
      wrong('E_UNREADABLE', / is a folder, not an image/),
    );
    expect(performance.now() - start).toBeLessThan(400); // four times the 100 ms asked for
    socket.close();
  });

  it('does not hang if it replaces a file between check and open', async () => {
    await copyFile(fixture('images/rgb.png'), here('good.png'));
    await promisify(execFile)('mkfifo', [here('swap-fifo')]);
    // The name alternates between the FIFO and the image, faster than it is read.
    const swap = `const fs = require('fs'); for (;;) for (const name of ['good.png', 'swap-fifo']) {
      fs.rmSync('new', { force: true }); fs.linkSync(name, 'new'); fs.renameSync('new', 'swapped.png'); }`;
    await copyFile(here('good.png'), here('swapped.png'));
    const swapper = spawn(process.execPath, ['-e', swap], { cwd: folder });
    try {
      const codes = new Set<string>();
      for (let n = 0; n < 3000; n++) {
        const read = readSource(sourceOfText(here('swapped.png')));
        codes.add(
          await read.then(
            ({ length }) => `${length}`,
            (error) => error.code,
          ),
        );
      }
      codes.delete(`${(await readSource(sourceOfText(here('good.png')))).length}`);
      expect([...codes].filter((code) => code !== 'E_UNREADABLE')).toEqual([]);
    } finally {
      swapper.kill();
    }
  });
});

describe('a file', () => {
  it('that is empty, a broken link or a link in a loop has its own error', async () => {
    await writeFile(here('empty.png'), '');
    await symlink('nowhere/at all.png', here('dangling.png'));
    await symlink('loop.png', here('loop.png'));
    await expect(readSource(sourceOfText(here('empty.png')))).rejects.toMatchObject(
      wrong('E_DECODE', /empty.png is empty/),
    );
    const target = /dangling.png is a link to nowhere\/at all.png, which does not exist/;
    await expect(readSource(sourceOfText(here('dangling.png')))).rejects.toMatchObject(wrong('E_NOT_FOUND', target));
    await expect(readSource(sourceOfText(here('loop.png')))).rejects.toMatchObject(
      wrong('E_UNREADABLE', /is a symbolic link in a loop/),
    );
    await expect(readSource(sourceOfText(here('no.png')))).rejects.toMatchObject(
      wrong('E_NOT_FOUND', /no.png does not exist/),
    );
    await expect(readSource(sourceOfText('a\0b'))).rejects.toMatchObject({ code: 'E_UNREADABLE' });
  });

  it('over 200 MB is refused before it is read', async () => {
    await writeFile(here('huge.png'), '');
    await truncate(here('huge.png'), 200_000_001);
    await expect(readSource(sourceOfText(here('huge.png')))).rejects.toMatchObject(
      wrong('E_FILE_SIZE', /has 200000001 bytes/),
    );
  });

  it.skipIf(getuid?.() !== 0)('that may not be read has its own error (run as root, otherwise skipped)', async () => {
    await copyFile(fixture('images/rgb.png'), here('locked.png'));
    await chmod(here('locked.png'), 0o000);
    const script = `const { readSource, sourceOfText } = await import(process.argv[1]);
      await readSource(sourceOfText(process.argv[2])).catch(({ code, message }) => console.log(code, message));`;
    const source = new URL('../../dist/image/source.js', import.meta.url).href;
    const [command = '', ...words] = HUMBLE;
    const { stdout } = await promisify(execFile)(command, [
      ...words,
      process.execPath,
      '--input-type=module',
      '-e',
      script,
      source,
      here('locked.png'),
    ]);
    expect(stdout).toMatch(/^E_UNREADABLE cannot read .*locked.png: permission denied/);
  });

  it('that grows and shrinks while it is read gives a complete image or an error', async () => {
    // All its bytes are 7, its size goes up in steps of 64 KB and down at once.
    const change = `const fs = require('fs'); const file = fs.openSync('changing.bin', 'w'); console.log('begun');
      for (;;) { for (let n = 0; n < 64; n++) fs.writeSync(file, Buffer.alloc(65536, 7), 0, 65536, n * 65536);
        fs.ftruncateSync(file, 65536); }`;
    const changer = spawn(process.execPath, ['-e', change], { cwd: folder });
    await once(changer.stdout, 'data');
    const outcomes = new Set<string>();
    try {
      for (let n = 0; n < 500; n++) {
        const read = readSource(sourceOfText(here('changing.bin')));
        outcomes.add(
          await read.then(
            (bytes) => (bytes.every((byte) => byte === 7) ? 'whole' : 'garbage'),
            ({ message }) => message.replace(/^.*changing.bin /, ''),
          ),
        );
      }
    } finally {
      changer.kill();
    }
    const changed = 'changed while it was read; try again when the file is complete';
    expect(outcomes).toContain(changed);
    expect(
      [...outcomes].filter(
        (outcome) => ![changed, 'whole', 'is empty; download or export the image again'].includes(outcome),
      ),
    ).toEqual([]);
  });

  it('that is replaced by a rename while it is read gives the old image', async () => {
    await writeFile(here('old.bin'), Buffer.alloc(5_000_000, 1));
    await writeFile(here('new.bin'), Buffer.alloc(5_000_000, 2));
    const read = readSource(sourceOfText(here('old.bin')));
    await rename(here('new.bin'), here('old.bin'));
    expect(new Set(await read).size).toBe(1);
  });
});

describe('the name of an image', () => {
  it('is its path, or the given name', () => {
    expect(sourceOfText('a/b.png').name).toBe('a/b.png');
    expect(identityOf({ kind: 'bytes', name: 'x', bytes: Buffer.of(1) })).toEqual({ image: 'x' });
    const path = Buffer.from('61ff', 'hex');
    expect(identityOf({ kind: 'file', name: 'a\ufffd', path })).toEqual({ image: 'a\ufffd', pathBytes: path });
    expect(identityOf(sourceOfText('a'))).toEqual({ image: 'a' });
  });

  it.each([
    ['https://me:pass@host/a.png', 'https://host/a.png'],
    ['HTTP://token@host:8080/a@b.png', 'HTTP://host:8080/a@b.png'],
    ['http://a:b@c@host/', 'http://host/'],
    ['http://host/a.png?x=me@host', 'http://host/a.png?x=me@host'],
    ['http://me:p\\w@host/', 'http://host/'], // a backslash ends the host, as URLs are read: no password here
  ])('is never a password: %s', (url, name) => {
    expect(sourceOfText(url).name).toBe(name);
  });
});

it('reads bytes, and streams when they are needed', async () => {
  const bytes = Buffer.from('bytes');
  expect(await readSource({ kind: 'bytes', name: 'x', bytes })).toBe(bytes);
  expect(await readSource({ kind: 'stream', name: 'x', read: async () => bytes })).toBe(bytes);
  await expect(readSource({ kind: 'bytes', name: 'x', bytes: Buffer.alloc(0) })).rejects.toMatchObject({
    code: 'E_DECODE',
  });
  await expect(readSource(sourceOfText('http://127.0.0.1/x.png'))).rejects.toMatchObject({ code: 'E_URL' });
});
