import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../paths.ts';
import { bin, TINY } from './program.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'broken-install-'));
  // A native library that is missing, or was built for another system.
  await writeFile(
    join(folder, 'broken.cjs'),
    `const open = process.dlopen;
process.dlopen = (module, file, ...rest) => {
  if (file.includes(process.env.BROKEN)) throw new Error(file + ': cannot open shared object file');
  return open.call(process, module, file, ...rest);
};`,
  );
});
afterAll(() => rm(folder, { recursive: true }));

const run = (broken: string, args: readonly string[]) =>
  new Promise<{ code: number | string | null | undefined; stdout: string; stderr: string }>((done) => {
    const env = { ...process.env, BROKEN: broken, NODE_OPTIONS: `--require ${join(folder, 'broken.cjs')}` };
    execFile(process.execPath, [bin, ...args], { env }, (error, stdout, stderr) =>
      done({ code: error?.code ?? 0, stdout, stderr }),
    );
  });

describe.each(['onnxruntime', 'sharp'])('if %s cannot be loaded', (library) => {
  const image = fixture('images/rgb.png');

  it.each([
    ['one image', [image]],
    ['two images', [image, image]],
  ])('%s end the run with one line that names it and the fix', async (_, images) => {
    const { code, stdout, stderr } = await run(library, [...images, ...TINY, '--no-cache']);
    expect([code, stdout, stderr.split('\n').length]).toEqual([2, '', 2]);
    expect(stderr).toMatch(new RegExp(`E_PROVIDER: ${library}.* cannot be loaded: .*npm install`));
  });

  it('--version and doctor work', async () => {
    expect((await run(library, ['--version'])).code).toBe(0);
    const { stdout, stderr } = await run(library, ['doctor', '--offline']);
    expect([stdout.includes(`${library}`), /^ {4}at /m.test(stderr)]).toEqual([true, false]);
  });
});

describe.skipIf(process.platform !== 'linux')('with a limit of virtual memory that is too low (Linux)', () => {
  const limited = (kilobytes: number, args: readonly string[]) =>
    new Promise<{ code: number | string | null | undefined; stdout: string; stderr: string }>((done) => {
      const command = `ulimit -v ${kilobytes}; exec "$0" "$@"`;
      execFile('sh', ['-c', command, process.execPath, bin, ...args], (error, stdout, stderr) =>
        done({ code: error?.code ?? 0, stdout, stderr }),
      );
    });
  const image = fixture('images/rgb.png');

  // With 1.5 GB, Node itself crashes if the tokenizer of the starter is loaded before the limit is checked.
  it.each([
    [1_000_000, TINY],
    [1_500_000, ['-l', 'cat,dog', '-m', 'starter']],
  ])('%i kB end the run with one line that names ulimit -v', async (kilobytes, args) => {
    const { code, stdout, stderr } = await limited(kilobytes, [image, ...args, '--no-cache']);
    expect([code, stdout, stderr.split('\n').length]).toEqual([2, '', 2]);
    expect(stderr).toMatch(/E_MODEL: .* needs more virtual memory than the limit of \d+ MB; .*ulimit -v/);
  });
});
