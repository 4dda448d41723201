import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openList, readList } from '../../src/inputs/list.ts';
import { bytesOfPath } from '../../src/inputs/path.ts';
import { ODD_NAMES } from './odd-names.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'list-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function read(chunks: (string | Buffer)[], separator: 'line' | 'nul' = 'line'): Promise<string[]> {
  const paths: string[] = [];
  const stream = Readable.from(chunks.map((chunk) => Buffer.from(chunk)));
  for await (const path of readList(stream, separator, 'it')) paths.push(path);
  return paths;
}

describe('a list of paths', () => {
  it.each([
    ['lines', ['a\nb\n'], ['a', 'b']],
    ['a last line without its end', ['a\nb'], ['a', 'b']],
    ['CR LF', ['a\r\nb\r\n'], ['a', 'b']],
    ['blank lines', ['\n\na\n\r\n\nb\n\n'], ['a', 'b']],
    ['white space, which belongs to a name', [' a \n\tb\n'], [' a ', '\tb']],
    ['a byte order mark', ['\ufeffa\nb\n'], ['a', 'b']],
    ['nothing', [], []],
    ['lines cut anywhere', ['a', 'b\nc', '\r', '\nd'], ['ab', 'c', 'd']],
    ['a character cut in two', [Buffer.from([0xc3]), Buffer.from([0xa9, 0x0a])], ['é']],
  ])('of %s', async (_, chunks, expected) => {
    expect(await read(chunks)).toEqual(expected);
  });

  it('separated by NUL can contain every name', async () => {
    const list = Buffer.concat(ODD_NAMES.flatMap((name) => [name, Buffer.from([0])]));
    for (const chunk of [1, 7, list.length]) {
      const chunks = Array.from({ length: Math.ceil(list.length / chunk) }, (_, n) =>
        list.subarray(n * chunk, (n + 1) * chunk),
      );
      expect((await read(chunks, 'nul')).map(bytesOfPath)).toEqual(ODD_NAMES);
    }
  });

  it('has an error if -0 is missing or wrong, or if it is not a list', async () => {
    await expect(read(['a\0b\0'])).rejects.toThrow('it contains NUL bytes; add -0');
    await expect(read([Buffer.alloc(70_000, 97)], 'nul')).rejects.toThrow('remove -0');
    await expect(read([Buffer.alloc(70_000, 97)])).rejects.toThrow('it has an entry of more than 65536 bytes');
  });

  it('is passed on path by path', async () => {
    const stream = new Readable({ read() {} });
    const paths = readList(stream, 'line', 'it');
    for (const name of ['a', 'b', 'c']) {
      stream.push(`${name}\n`); // and nothing after it
      expect(await paths.next()).toEqual({ value: name, done: false });
    }
    stream.push(null);
    expect((await paths.next()).done).toBe(true);
  });

  it('may be a file, or a FIFO whose writer comes late', async () => {
    await writeFile(join(folder, 'list'), 'a\nb\n');
    await promisify(execFile)('mkfifo', [join(folder, 'fifo')]);
    spawn('sh', ['-c', 'sleep 0.3; printf "a\\nb\\n" > "$1"', 'sh', join(folder, 'fifo')]);
    for (const file of [join(folder, 'list'), join(folder, 'fifo')]) {
      const paths: string[] = [];
      for await (const path of readList(await openList(file), 'line', file)) paths.push(path);
      expect(paths).toEqual(['a', 'b']);
    }
  });

  it('is wrong usage if it is missing or a folder', async () => {
    await expect(openList(join(folder, 'nothing'))).rejects.toMatchObject({ code: 'E_USAGE' });
    await expect(openList(folder)).rejects.toThrow(/cannot read the list .*: it is a folder; check --files-from/);
  });
});
