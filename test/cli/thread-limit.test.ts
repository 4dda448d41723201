import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bin, imagesOf, manyImages, TINY } from './program.ts';

/** The folder of a new cgroup with a limit of processes and threads, or undefined if it cannot be made. */
const group = (() => {
  for (const root of ['/sys/fs/cgroup/pids', '/sys/fs/cgroup']) {
    const folder = join(root, `clip-classify-${process.pid}`);
    try {
      execFileSync('mkdir', [folder], { stdio: 'ignore' });
      if (existsSync(join(folder, 'pids.max'))) return folder;
      execFileSync('rmdir', [folder]);
    } catch {
      // no such controller, or not our machine
    }
  }
  return undefined;
})();

let root: string;
let images: string[];
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'threads-'));
  images = await manyImages(join(root, 'images'), 40);
});
afterAll(async () => {
  await rm(root, { recursive: true });
  if (group !== undefined) await rmdir(group);
});

describe.skipIf(group === undefined)('a limit of threads (skipped if no cgroup can be made)', () => {
  it.each([28, 34, 40])(
    'of %i gives no image an error row: either all labels, or one line and exit code 2',
    async (limit) => {
      const [max, procs] = [join(group as string, 'pids.max'), join(group as string, 'cgroup.procs')];
      await writeFile(max, String(limit));
      const script = 'echo $$ > "$0"; exec "$@"';
      const command = [process.execPath, bin, join(root, 'images'), ...TINY, '--quiet', '--no-cache', '--threads', '2'];
      let [code, stdout, stderr] = [0, '', ''];
      try {
        stdout = execFileSync('sh', ['-c', script, procs, ...command], { encoding: 'utf8', stdio: 'pipe' });
      } catch (error) {
        ({ status: code, stdout, stderr } = error as { status: number; stdout: string; stderr: string });
      }
      expect(stdout).not.toContain('"error"');
      if (code === 0) expect(imagesOf(stdout)).toEqual(images);
      else
        expect([code, stderr]).toEqual([
          2,
          expect.stringMatching(/^clip-classify: error: E_MODEL: .* limit of processes and threads [^\n]*\n$/),
        ]);
    },
    60_000,
  );
});
