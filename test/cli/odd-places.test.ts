import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../paths.ts';
import { cli } from './io.ts';
import { bin, TINY } from './program.ts';

let folder: string;
const here = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'odd-'));
});
afterAll(() => rm(folder, { recursive: true }));

const image = fixture('images/rgb.png');
/** Runs the program in a shell, after other commands. */
const after = (commands: string, ...args: readonly string[]) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((done) => {
    const script = `${commands}; exec "$@"`;
    const child = execFile('bash', ['-c', script, 'bash', process.execPath, bin, ...args], (_, stdout, stderr) =>
      done({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });

describe.skipIf(process.platform === 'win32')('a process (not on Windows)', () => {
  it('in a deleted folder blames no image, and relative paths lead nowhere', async () => {
    await mkdir(here('gone'));
    const { code, stdout } = await after(
      `cd '${here('gone')}' && rmdir '${here('gone')}'`,
      image,
      'a.png',
      image,
      ...TINY,
    );
    const codes = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).error?.code);
    expect([code, codes]).toEqual([1, [undefined, 'E_NOT_FOUND', undefined]]);
  });

  it('with a limit of the file size writes whole rows, and names the limit', async () => {
    const output = here('limited.jsonl');
    const { code, stderr } = await after('ulimit -f 2', ...Array(40).fill(image), ...TINY, '-o', output);
    expect([code, stderr]).toEqual([2, expect.stringContaining('ulimit -f')]);
    const rows = (await readFile(output, 'utf8')).split('\n');
    expect(rows.pop()).toBe('');
    for (const row of rows) expect(JSON.parse(row)).toHaveProperty('label');
  });

  it('with few file descriptors names their limit alone', async () => {
    const { code, stderr } = await after('ulimit -n 22', image, image, ...TINY, '--quiet');
    expect([0, 2]).toContain(code); // how many Node itself needs differs
    if (code === 2) expect(stderr).toMatch(/^clip-classify: error: .*ulimit -n 1024\n$/);
  });
});

it.skipIf(process.platform === 'win32')(
  'a socket is called a socket as output and as input (not on Windows)',
  async () => {
    const server = createServer().listen(here('socket'));
    const output = await cli([image, ...TINY, '-o', here('socket'), '-f', 'jsonl']);
    const input = await cli([image, ...TINY.slice(2), '--labels-file', here('socket')]);
    server.close();
    for (const { code, stderr } of [output, input])
      expect([code, stderr]).toEqual([2, expect.stringContaining('it is a socket')]);
  },
);
