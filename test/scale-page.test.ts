import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { cli } from './cli/io.ts';
import { bin } from './cli/program.ts';
import { fixture, repository } from './paths.ts';

const read = (name: string) => readFile(join(repository, name), 'utf8');

/** The options of each line that starts clip-classify, and the command that it names. */
function linesOf(text: string): { readonly command: string; readonly options: readonly string[] }[] {
  return [...text.matchAll(/clip-classify(?: (embed))?((?: [^\n`|#]*)?)/gu)]
    .map(([, command = 'classify', rest = '']) => ({ command, options: rest.match(/ --[a-z][a-z-]*/gu) ?? [] }))
    .map(({ command, options }) => ({ command, options: options.map((one) => one.trim()) }));
}

describe('docs/scale.md', () => {
  it('names only existing options', async () => {
    const lines = linesOf((await read('docs/scale.md')).replaceAll('\\\n', ' '));
    const isAnother = /^--(job|container|array)-/u;
    let seen = 0;
    for (const command of ['classify', 'embed']) {
      const help = (await cli([command, '--help'])).stdout;
      const options = lines.filter((line) => line.command === command).flatMap((line) => line.options);
      seen += options.length;
      expect(options.filter((option) => !isAnother.test(option) && !help.includes(option))).toEqual([]);
    }
    expect(seen).toBeGreaterThan(20);
  });

  it('has a Kubernetes Job with as many shards as completions', async () => {
    const { spec } = parse(await read('integrations/kubernetes/job.yaml'));
    const [{ args }] = spec.template.spec.containers;
    expect(spec.completionMode).toBe('Indexed');
    expect(args[0]).toContain(`--shard auto/${spec.completions}`);
    const help = (await cli(['embed', '--help'])).stdout;
    for (const [option] of args[0].matchAll(/--[a-z-]+/gu)) expect(help).toContain(option);
  });
});

describe('a recipe of docs/scale.md writes a file for each tar', () => {
  const TARS = 6;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'scale-'));
    await mkdir(join(folder, 'shards'));
    await mkdir(join(folder, 'bin'));
    await copyFile(fixture('images/rgb.png'), join(folder, 'a.png'));
    for (let n = 0; n < TARS; n++)
      execFileSync('tar', ['-cf', join(folder, `shards/0000${n}.tar`), '-C', folder, 'a.png']);
    const names = (await readdir(join(folder, 'shards'))).map((name) => `shards/${name}\n`);
    await writeFile(join(folder, 'shards.txt'), names.join(''));
    await writeFile(join(folder, 'bin/clip-classify'), `#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@"\n`, {
      mode: 0o755,
    });
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** Runs a script once for each environment, in any order. @returns the done markers */
  async function run(script: string, environments: readonly Record<string, string>[]) {
    const text = script.replaceAll('/data/', '');
    const settings = {
      CLIP_CLASSIFY_MODEL: fixture('tiny-class'),
      CLIP_CLASSIFY_CACHE: join(folder, 'cache'),
      PATH: `${join(folder, 'bin')}:${process.env['PATH']}`,
      HOME: folder,
    };
    const tasks = environments.map((one) =>
      promisify(execFile)('bash', ['-c', text], { cwd: folder, env: { ...settings, ...one } }),
    );
    await Promise.all(tasks);
    const done = (await readdir(join(folder, 'out'))).filter((name) => name.endsWith('.done.json'));
    await rm(join(folder, 'out'), { recursive: true });
    return done.sort();
  }
  const all = Array.from({ length: TARS }, (_, n) => `0000${n}.parquet.done.json`);
  const block = async (start: string) => {
    const blocks = [...(await read('docs/scale.md')).matchAll(/^```sh\n([\s\S]*?)^```$/gmu)].map(
      ([, text = '']) => text,
    );
    return blocks.find((text) => text.startsWith(start)) ?? expect.fail(`there is no recipe that begins with ${start}`);
  };

  it('in a Slurm array', async () => {
    const array = {
      SLURM_ARRAY_TASK_COUNT: '2',
      SLURM_ARRAY_TASK_MIN: '1',
      SLURM_ARRAY_TASK_MAX: '2',
      SLURM_ARRAY_TASK_STEP: '1',
    };
    const tasks = ['1', '2'].map((id) => ({ ...array, SLURM_ARRAY_TASK_ID: id, SLURM_CPUS_PER_TASK: '1' }));
    expect(await run(await block('#!/bin/bash\n#SBATCH'), tasks)).toEqual(all);
  });

  it('in an AWS Batch array', async () => {
    const command: string[] = JSON.parse(/'command=(\[.*\])'/u.exec(await block('aws batch'))?.[1] ?? '');
    const tasks = ['0', '1'].map((index) => ({ AWS_BATCH_JOB_ARRAY_INDEX: index, AWS_BATCH_JOB_ARRAY_SIZE: '2' }));
    expect(await run(command.join(' '), tasks)).toEqual(all);
  });

  it('in an indexed Kubernetes Job', async () => {
    const { spec } = parse(await read('integrations/kubernetes/job.yaml'));
    const [{ args }] = spec.template.spec.containers;
    const tasks = ['0', '1'].map((index) => ({ JOB_COMPLETION_INDEX: index }));
    expect(await run(args[0].replace(`auto/${spec.completions}`, 'auto/2'), tasks)).toEqual(all);
  });

  const hasParallel = process.env['PATH']?.split(':').some((one) => existsSync(join(one, 'parallel')));
  it.skipIf(!hasParallel)('with GNU parallel, skipped where it is missing', async () => {
    expect(await run(await block('parallel '), [{}])).toEqual(all);
  });
});
