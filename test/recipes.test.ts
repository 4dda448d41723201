import { execFile, execFileSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { bin, imagesOf } from './cli/program.ts';
import { fixture, repository } from './paths.ts';

const has = (tool: string) => {
  try {
    execFileSync('sh', ['-c', `command -v ${tool}`]);
    return true;
  } catch {
    return false;
  }
};
const page = await readFile(join(repository, 'docs/recipes.md'), 'utf8');
const blocks = [...page.matchAll(/^```(?:sh )?(\w+)\n([\s\S]*?)^```$/gmu)].map(([, name = '', text = '']) => ({
  name,
  text,
}));
/** The recipes of a section, in order. */
const recipes = (name: string) => blocks.filter((block) => block.name === name).map(({ text }) => text);

const PHOTOS = ['a cat.png', 'broken.png', 'dog\n1.png', 'rgb.png'];
const GOOD = PHOTOS.filter((name) => name !== 'broken.png').map((name) => `photos/${name}`);

describe('docs/recipes.md', { timeout: 300_000 }, () => {
  const folders: string[] = [];
  let folder: string;
  let env: Record<string, string>;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'recipes-'));
    folders.push(folder);
    await mkdir(join(folder, 'photos'));
    await mkdir(join(folder, '.local/bin'), { recursive: true });
    for (const [n, source] of ['rgb', 'grey', 'exact'].entries())
      await copyFile(fixture(`images/${source}.png`), join(folder, GOOD[n] ?? ''));
    await writeFile(join(folder, 'photos/broken.png'), 'no image');
    await writeFile(
      join(folder, '.local/bin/clip-classify'),
      `#!/bin/sh\nCLIP_CLASSIFY_MODEL='${fixture('tiny-class')}' CLIP_CLASSIFY_CACHE='${folder}/cache' exec '${process.execPath}' '${bin}' "$@"\n`,
      { mode: 0o755 },
    );
    env = { HOME: folder, PATH: `${folder}/.local/bin:${process.env['PATH']}` };
  });
  afterAll(() => Promise.all(folders.map((one) => rm(one, { recursive: true }))));

  /** Runs a script in the folder. @returns the exit code, which is 1 because of a broken image */
  const paste = (script: string, more: Record<string, string> = {}, shell = 'bash') =>
    promisify(execFile)(shell, ['-c', script], { cwd: folder, env: { ...env, ...more } }).then(
      ({ stderr }) => ({ code: 0, stderr }),
      ({ code, stderr }: { code: number; stderr: string }) => ({ code, stderr }),
    );
  const written = (name: string) => readFile(join(folder, name), 'utf8');
  const sorted = (paths: readonly string[]) => [...paths].sort();

  it('has a recipe for each', () => {
    expect(new Set(blocks.map(({ name }) => name))).toEqual(
      new Set(['find', 'xargs', 'jq', 'parallel', 'slurm', 'cron']),
    );
  });

  it('find', async () => {
    const [recipe = ''] = recipes('find');
    expect(await paste(recipe)).toMatchObject({ code: 1, stderr: expect.stringContaining('3 ok, 1 failed') });
    expect(sorted(imagesOf(await written('found.jsonl')))).toEqual(PHOTOS.map((name) => `photos/${name}`));
  });

  it('xargs', async () => {
    const [copy = '', move = '', rows = ''] = recipes('xargs');
    await paste(rows);
    expect(sorted(imagesOf(await written('rows.jsonl')))).toEqual(PHOTOS.map((name) => `photos/${name}`));
    await paste(copy);
    const [cats, dogs] = await Promise.all(['cat', 'dog'].map((label) => readdir(join(folder, 'sorted', label))));
    expect(sorted([...(cats ?? []), ...(dogs ?? [])].map((name) => `photos/${name}`))).toEqual(GOOD);
    await paste(move);
    expect(sorted(await readdir(join(folder, 'cats')))).toEqual(sorted(cats ?? []));
    expect(await readdir(join(folder, 'photos'))).toHaveLength(PHOTOS.length - (cats ?? []).length);
  });

  it.skipIf(!has('jq'))('jq, skipped where it is missing', async () => {
    const [recipe = ''] = recipes('jq');
    await paste(recipe);
    const rows = (await written('out.jsonl'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const cats = rows.filter(({ label, score }) => label === 'cat' && score >= 0.5);
    expect(await written('cats.txt')).toBe(cats.map(({ image }) => `${image}\n`).join(''));
    const counts = (await written('counts.tsv'))
      .trimEnd()
      .split('\n')
      .map((line) => Number(line.split('\t')[0]));
    expect(counts.reduce((sum, count) => sum + count)).toBe(GOOD.length);
    expect(await written('errors.tsv')).toMatch(/^E_\w+\tphotos\/broken\.png\n$/u);
    expect(imagesOf(await written('again.jsonl'))).toEqual(['photos/broken.png']);
  });

  it.skipIf(!has('parallel'))('parallel, skipped where it is missing', async () => {
    const [recipe = ''] = recipes('parallel');
    await paste(recipe);
    expect(sorted(imagesOf(await written('all.jsonl')))).toEqual(PHOTOS.map((name) => `photos/${name}`));
  });

  it('a Slurm array, whose shards together contain every image once', async () => {
    const [recipe = ''] = recipes('slurm');
    const count = /--array=1-(\d+)/u.exec(recipe)?.[1] ?? '';
    expect(count).toBe('8');
    const texts: string[] = [];
    for (const task of ['1', '2', '1']) {
      // Two tasks for speed; the first is requeued, and has nothing left to do.
      await paste(recipe, { SLURM_ARRAY_TASK_ID: task, SLURM_ARRAY_TASK_COUNT: '2' });
      texts.push(await written(`part-${task}.csv`));
    }
    expect(texts[2]).toBe(texts[0]);
    const rows = texts.slice(0, 2).join('');
    for (const name of ['a cat.png', 'dog\n1.png', 'rgb.png', 'broken.png']) {
      const first = rows.split(`photos/${name}`).length - 1;
      expect([name, first]).toEqual([name, name === 'broken.png' ? expect.any(Number) : 2]); // a line for each label
    }
  });

  it('cron, with an almost empty environment', async () => {
    const [recipe = ''] = recipes('cron');
    const [, schedule, command = ''] = /^((?:\S+ ){5})(.*)$/mu.exec(recipe) ?? [];
    expect(schedule).toBe('15 3 * * * ');
    expect(command).not.toContain('%'); // a line break to cron
    const bare = { HOME: folder, PATH: '/usr/bin:/bin', LOGNAME: 'somebody', SHELL: '/bin/sh' };
    await paste(command, bare, 'sh');
    const first = imagesOf(await written('nightly.jsonl'));
    expect(sorted(first)).toEqual(PHOTOS.map((name) => `photos/${name}`));
    await copyFile(fixture('images/grey.png'), join(folder, 'photos/today.png'));
    await paste(command, bare, 'sh');
    expect(sorted(imagesOf(await written('nightly.jsonl')))).toEqual(sorted([...first, 'photos/today.png']));
  });
});
