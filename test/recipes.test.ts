import { execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bin, imagesOf, pause } from './cli/program.ts';
import { fixture, repository } from './paths.ts';

const page = await readFile(join(repository, 'docs/recipes.md'), 'utf8');
/** Its blocks, each under the first word of the heading above it. */
const recipes = page.split(/^## /mu).slice(1).map((section) => ({
  name: section.split(':')[0] ?? '',
  blocks: [...section.matchAll(/^```(?:sh|crontab)\n([\s\S]*?)^```$/gmu)].map(([, text = '']) => text),
}));
const blocks = (name: string) => recipes.find((one) => one.name === name)?.blocks ?? [];

const has = (tool: string) => {
  try {
    execFileSync('sh', ['-c', `command -v ${tool}`]);
    return true;
  } catch {
    return false;
  }
};
const needs = (...tools: string[]) => it.skipIf(!tools.every(has));

const PHOTOS = ['photos/a b.png', 'photos/broken.jpg', "photos/it's.png", 'photos/sub/grey.jpg', 'photos/sub/turned.jpg'];
const GOOD = PHOTOS.filter((photo) => photo !== 'photos/broken.jpg');

describe('the recipes', () => {
  let folder: string;
  let env: NodeJS.ProcessEnv;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'recipes-'));
    await mkdir(join(folder, 'photos/sub'), { recursive: true });
    await mkdir(join(folder, 'bin'));
    for (const [to, from] of [
      ['a b.png', 'rgb.png'],
      ["it's.png", 'palette.png'],
      ['sub/grey.jpg', 'grey.jpg'],
      ['sub/turned.jpg', 'turned.jpg'],
    ] as const)
      await copyFile(fixture(`images/${from}`), join(folder, 'photos', to));
    await writeFile(join(folder, 'photos/broken.jpg'), 'no image');
    const shim = join(folder, 'bin/clip-classify');
    await writeFile(
      shim,
      `#!/bin/sh\nCLIP_CLASSIFY_MODEL='${fixture('tiny-class')}' exec '${process.execPath}' '${bin}' "$@"\n`,
    );
    await chmod(shim, 0o755);
    env = { ...process.env, HOME: folder, PATH: `${join(folder, 'bin')}:${process.env['PATH']}` };
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** Runs a block; a broken image makes the exit code 1. */
  const paste = async (script = '', more: NodeJS.ProcessEnv = {}) => {
    const options = { cwd: folder, env: { ...env, ...more } };
    return promisify(execFile)('bash', ['-c', script], options).catch((error: { code: number; stdout: string }) => {
      if (error.code !== 1) throw error;
      return error;
    });
  };
  const text = (name: string) => readFile(join(folder, name), 'utf8');

  it('are all run here', () => {
    const names = ['find', 'xargs', 'jq', 'sqlite3', 'GNU parallel', 'Slurm', 'Kubernetes', 'cron', 'inotifywait'];
    expect(recipes.map(({ name }) => name)).toEqual(names);
    expect(recipes.map(({ blocks: { length } }) => length)).toEqual([1, 2, 1, 1, 1, 1, 1, 1, 1]);
  });

  needs('find')('find', async () => {
    await paste(blocks('find')[0]);
    expect(imagesOf(await text('recent.jsonl')).sort()).toEqual(PHOTOS);
  });

  needs('xargs')('xargs: every image is of one label or failed', async () => {
    const [byMatch, byTable] = blocks('xargs');
    await paste(byTable);
    const labels = (await text('labels.tsv')).split('\n').map((line) => line.split('\t'));
    const wanted = labels.flatMap(([image = '', rank, label]) =>
      rank === '1' ? [`${label}/${image.split('/').at(-1)}`] : [],
    );
    const sorted = existsSync(join(folder, 'sorted'))
      ? await readdir(join(folder, 'sorted'), { recursive: true, withFileTypes: true })
      : [];
    const copied = sorted.filter((entry) => entry.isFile());
    expect(copied.map(({ parentPath, name }) => `${parentPath.split('/').at(-1)}/${name}`).sort()).toEqual(
      wanted.sort(),
    );
    const cats = async () => (await paste('clip-classify photos -l "cat,dog" --match cat')).stdout;
    const before = (await cats()).trimEnd().split('\n');
    expect(before[0]).not.toBe('');
    await paste(byMatch);
    expect((await readdir(join(folder, 'cats'))).sort()).toEqual(before.map((path) => path.split('/').at(-1)).sort());
    expect(await cats()).toBe('');
  });

  needs('jq')('jq, skipped where it is missing', async () => {
    const { stdout } = await paste(blocks('jq')[0]);
    expect(stdout).toContain('E_FORMAT\tphotos/broken.jpg\n');
    const counts = [...stdout.matchAll(/"count": (\d+)/gu)].map(([, count]) => Number(count));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(PHOTOS.length);
    const last = stdout.trimEnd().split('\n').slice(-GOOD.length);
    expect(last.sort()).toEqual(GOOD);
  });

  needs('sqlite3')('sqlite3, skipped where it is missing', async () => {
    const { stdout } = await paste(blocks('sqlite3')[0]);
    const counts = stdout.trimEnd().split(/\r?\n/u).map((line) => Number(line.split(',')[1]));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(GOOD.length);
  });

  needs('parallel')('GNU parallel, skipped where it is missing', async () => {
    await paste(blocks('GNU parallel')[0]);
    expect(imagesOf(await text('all.jsonl')).sort()).toEqual(PHOTOS);
  });

  it('Slurm, with the variables that sbatch sets', async () => {
    const all = [];
    for (const task of ['1', '2', '3', '4', '2']) {
      // a second time, as after a requeue
      await paste(blocks('Slurm')[0], { SLURM_ARRAY_TASK_ID: task, SLURM_ARRAY_TASK_COUNT: '4' });
    }
    for (const task of [1, 2, 3, 4]) all.push(...(await text(`part-${task}.csv`)).trimEnd().split(/\r?\n/u).slice(1));
    expect([...new Set(all.map((line) => line.split(',')[0]))].sort()).toEqual(PHOTOS);
    expect(all).toHaveLength(2 * GOOD.length + 1); // two labels each, and the error
  });

  it('Kubernetes, with the variable that an indexed job sets', async () => {
    for (const index of ['0', '1', '2', '3']) await paste(blocks('Kubernetes')[0], { JOB_COMPLETION_INDEX: index });
    const parts = await Promise.all([0, 1, 2, 3].map((index) => text(`share-${index}.jsonl`)));
    expect(imagesOf(parts.join('')).sort()).toEqual(PHOTOS);
  });

  needs('flock')('cron: its line with sh, and of the environment what cron gives', async () => {
    const [paths = '', line = ''] = (blocks('cron')[0] ?? '').split('\n');
    const [, inTable = ''] = /^PATH=(.*)$/u.exec(paths) ?? [];
    const [, command = ''] = /^30 2 \* \* \* (.*)$/u.exec(line) ?? [];
    expect(command).not.toContain('%'); // cron would make a new line of it
    const atNight = () =>
      promisify(execFile)('/bin/sh', ['-c', command], {
        env: {
          HOME: folder,
          LOGNAME: 'me',
          SHELL: '/bin/sh',
          PATH: `${join(folder, 'bin')}:${dirname(process.execPath)}:${inTable}`,
          CLIP_CLASSIFY_CACHE: process.env['CLIP_CLASSIFY_CACHE'],
        },
      }).catch((error: { code: number }) => error.code);
    await atNight();
    const first = await text('photos.csv');
    await copyFile(fixture('images/exact.png'), join(folder, 'photos/zebra.png'));
    await atNight();
    const second = await text('photos.csv');
    expect(second.startsWith(first)).toBe(true);
    expect(second.slice(first.length)).toContain('photos/zebra.png');
    expect(await text('classify.log')).toBe('');
  });

  needs('inotifywait')('inotifywait, skipped where it is missing', async () => {
    const child = spawn('bash', ['-c', blocks('inotifywait')[0] ?? ''], { cwd: folder, env, detached: true });
    try {
      let rows = '';
      for (let n = 0; n < 150 && rows === ''; n++) {
        await copyFile(fixture('images/exact.png'), join(folder, `photos/new ${n}.png`)); // until it watches
        await pause(200);
        rows = await text('seen.jsonl').catch(() => '');
      }
      expect(imagesOf(rows)[0]).toMatch(/^photos\/new \d+\.png$/u);
    } finally {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
    }
  });
});
