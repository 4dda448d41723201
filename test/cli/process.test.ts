import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { fixture, hasShared, shared } from '../paths.ts';
import { bin } from './program.ts';

const args = ['-l', 'cat,dog', '-m', fixture('tiny-class')];

/** The built program, in a process of its own (npm test builds before it runs the tests). */
describe('the program', () => {
  it('prints one word for $(…)', async () => {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [
      bin,
      fixture('images/rgb.png'),
      ...args,
      '-f',
      'label',
    ]);
    expect(stdout).toMatch(/^(cat|dog)\n$/);
    expect(stderr).toBe('');
  });

  it('ends with 0 and prints no message if the reader closes the pipe', async () => {
    const images = Array.from({ length: 200 }, () => fixture('images/rgb.png'));
    const child = spawn(process.execPath, [bin, ...images, ...args, '--quiet']);
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    await once(child.stdout, 'data');
    child.stdout.destroy();
    const [code] = await once(child, 'close');
    expect([code, stderr]).toEqual([0, '']);
  });

  it('writes its files although nobody reads its output', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'unread-'));
    const run = (words: string[]) => {
      const quoted = [process.execPath, bin, ...words, ...args.slice(2)].map((word) => `'${word}'`).join(' ');
      return promisify(execFile)('bash', ['-c', `set -o pipefail; sleep 0.3; ${quoted} | true`]);
    };
    await mkdir(join(folder, 'truth/cat'), { recursive: true });
    await copyFile(fixture('images/rgb.png'), join(folder, 'truth/cat/a.png'));
    await run([join(folder, 'truth/cat/a.png'), '-l', 'cat,dog', '--explain', join(folder, 'why.png')]);
    await run(['eval', join(folder, 'truth'), '-l', 'cat,dog', '-o', join(folder, 'report.html')]);
    expect((await readdir(folder)).sort()).toEqual(['report.html', 'truth', 'why.png']);
    await rm(folder, { recursive: true });
  });

  it('accepts a long command line', async () => {
    // 1,000 paths, over 60 KB: onnxruntime's telemetry would overflow the stack over it, were it not switched off.
    const images = Array.from({ length: 1_000 }, () => `${fixture('images')}/./././././././././././././././rgb.png`);
    const { stdout } = await promisify(execFile)(process.execPath, [bin, ...images, ...args, '-f', 'label', '--quiet']);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1_000);
  });

  it('ends normally if nobody reads its help', async () => {
    const command = `"${process.execPath}" "${bin}" --help | true`;
    expect(await promisify(execFile)('bash', ['-c', `set -o pipefail; ${command}`])).toEqual({
      stdout: '',
      stderr: '',
    });
  });

  it('writes its rows if nobody reads its warnings', async () => {
    // The single label is warned about, to a reader that has gone by then.
    const command = [process.execPath, bin, fixture('images/rgb.png'), '-l', 'cat', ...args.slice(2), '-f', 'label'];
    const quoted = command.map((word) => `'${word}'`).join(' ');
    const { stdout } = await promisify(execFile)('bash', ['-c', `exec 2> >(exec true); sleep 0.3; ${quoted}`]);
    expect(stdout).toBe('cat\n');
  });

  it.skipIf(!hasShared)('has one row for each hostile image (../shared; skipped where it is missing)', async () => {
    const hostile = (await readdir(`${shared}hostile`, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    const child = spawn(process.execPath, [bin, ...hostile, ...args, '-k', '1', '--quiet']);
    let stdout = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    const [code] = await once(child, 'close');
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(code).toBe(1);
    expect(rows.map(({ image }) => image)).toEqual(hostile);
    const codes = new Set(rows.map(({ error }) => error?.code ?? 'ok'));
    expect([...codes].sort()).toEqual(['E_DECODE', 'E_FORMAT', 'E_PIXEL_LIMIT', 'ok']);
  });

  it('exits with 2 on wrong usage', async () => {
    await expect(promisify(execFile)(process.execPath, [bin, '--nothing'])).rejects.toMatchObject({
      code: 2,
      stdout: '',
    });
  });
});
