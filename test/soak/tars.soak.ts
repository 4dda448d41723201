import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath, stdout } from 'node:process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bin } from '../cli/program.ts';
import { damagedCopies } from '../inputs/damaged.ts';
import { fixture } from '../paths.ts';

const COPIES = 1_000;
/** Copies that are tested in a run of their own. */
const ALONE = 100;
/** The number of other copies in each run. */
const TOGETHER = 30;
const SECONDS = 120;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'soak-tars-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs the program in its own folder. A run that hangs is killed. */
async function run(args: readonly string[], cwd: string) {
  const child = spawn(execPath, [bin, ...args, '-l', 'cat,dog', '-m', fixture('tiny-class')], {
    cwd,
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: SECONDS * 1_000,
    killSignal: 'SIGKILL',
  });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const [code, signal] = await once(child, 'close');
  return { code, signal, stderr };
}

it(`${COPIES} damaged copies of a tar neither hang nor crash the program, and it writes nothing outside of its output`, async () => {
  const [photos, damaged, cwd] = ['photos', 'damaged', 'cwd'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const one of [photos, damaged, cwd]) await mkdir(one);
  for (const name of ['exact', 'grey', 'rgb'])
    await copyFile(fixture(`images/${name}.png`), join(photos, `${name}.png`));
  const tar = join(folder, 'whole.tar');
  execFileSync('tar', ['-cf', tar, '-C', folder, 'photos']);
  const copies = await damagedCopies(await readFile(tar), damaged, COPIES, 5);
  const groups = copies.slice(0, ALONE).map((copy) => [copy]);
  for (let n = ALONE; n < COPIES; n += TOGETHER) groups.push(copies.slice(n, n + TOGETHER));
  const codes: Record<string, number> = {};
  for (const [n, group] of groups.entries()) {
    const output = join(folder, `out-${n}`);
    const { code, signal, stderr } = await run([...group, '--output-dir', output], cwd);
    expect(signal).toBeNull();
    expect([0, 1]).toContain(code);
    expect(stderr).not.toMatch(/\n\s+at |internal/u);
    codes[code] = (codes[code] ?? 0) + 1;
    const names = new Set((await readdir(output)).map((name) => name.replace(/\.parquet(\.done\.json)?$/u, '')));
    expect(names).toEqual(new Set(group.map((copy) => copy.slice(damaged.length + 1, -'.tar'.length))));
    await rm(output, { recursive: true });
  }
  expect(await readdir(cwd)).toEqual([]);
  expect((await readdir(folder)).sort()).toEqual(['cwd', 'damaged', 'photos', 'whole.tar']);
  stdout.write(`damaged tars: exit codes ${JSON.stringify(codes)}\n`);
});
