import { execFile, execFileSync } from 'node:child_process';
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import { commandLines, helpOf } from './command-lines.ts';
import { cli } from './io.ts';
import { bin } from './program.ts';

const has = (shell: string) => {
  try {
    execFileSync(shell, ['-c', 'true']);
    return true;
  } catch {
    return false;
  }
};

/** What is offered for the last word. */
async function offered(...words: string[]): Promise<{ readonly words: string[]; readonly files: boolean }> {
  const { code, stdout } = await cli(['completion', 'complete', '--', ...words]);
  expect(code).toBe(0);
  const lines = stdout.trimEnd().split('\n');
  return { words: lines.slice(0, -1).map((line) => line.split('\t')[0] ?? ''), files: lines.at(-1) === ':0' };
}

describe('what completion offers', () => {
  it.each(commandLines)('every option of "%s"', async (line) => {
    const words = line === '' ? [] : line.split(' ');
    const options = (await helpOf(words)).match(/(?<=^ {2}(?:-., )?)--[a-z][a-z0-9-]*/gmu) ?? [];
    expect(options.length).toBeGreaterThan(0);
    const { words: given } = await offered(...words, '--');
    expect(options.filter((option) => !given.includes(option) && option !== '--version')).toEqual([]);
  });

  it('commands as the first word only', async () => {
    expect((await offered('')).words).toEqual(Object.keys(COMMANDS));
    expect(await offered('photo.jpg', '')).toEqual({ words: [], files: true });
    expect((await offered('models', '')).words).toEqual(expect.arrayContaining(['list', 'pull', 'inspect']));
  });

  it.each([
    [
      ['--format', ''],
      ['table', 'json', 'jsonl', 'csv', 'tsv', 'label', 'parquet'],
    ],
    [
      ['-f', 'js'],
      ['json', 'jsonl'],
    ],
    [
      ['embed', '-f', ''],
      ['jsonl', 'npy', 'parquet'],
    ],
    [['--provider', 'cu'], ['cuda']],
    [
      ['photo.jpg', '--dtype', ''],
      ['fp32', 'fp16', 'int8'],
    ],
    [
      ['--resize', ''],
      ['exact', 'fast'],
    ],
    [
      ['--template', 'openai'],
      ['openai-80', 'openai-7'],
    ],
    [['--model', 'star'], ['starter']],
    [['models', 'inspect', 'st'], ['starter']],
    [
      ['models', 'pull', 'clip-vit-l'],
      ['clip-vit-l-14', 'clip-vit-l-14-336'],
    ],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
  ])('the values of %j', async (words, values) => {
    expect((await offered(...words)).words.sort()).toEqual(values.sort());
  });

  it.each([[['--output', '']], [['pho']], [['-l', 'cat,dog', 'in/']], [['eval', 'photos/']], [['-m', './']]])(
    'files after %j',
    async (words) => {
      expect(await offered(...words)).toEqual({ words: [], files: true });
    },
  );
});

describe('the scripts', { timeout: 240_000 }, () => {
  let folder: string;
  let env: NodeJS.ProcessEnv;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'completion-'));
    const shim = join(folder, 'clip-classify');
    await writeFile(shim, `#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@"\n`);
    await chmod(shim, 0o755);
    env = { ...process.env, HOME: folder, PATH: `${folder}:${process.env['PATH']}` };
  });
  afterAll(() => rm(folder, { recursive: true }));
  const lines = async (shell: string, script: string) =>
    (await promisify(execFile)(shell, ['-c', script], { env, cwd: folder })).stdout.trimEnd().split('\n');

  it.skipIf(!has('bash'))('work in bash, skipped where it is missing', async () => {
    const complete = (words: string) => `
      source <(clip-classify completion bash)
      source <(clip-classify completion bash) 2>&1  # ~/.bashrc is read again: not a word
      complete -p clip-classify
      COMP_WORDS=(clip-classify ${words}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
      __clip_classify_complete 2>/dev/null
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const registered = 'complete -o default -F __clip_classify_complete clip-classify';
    expect(await lines('bash', complete("'\\$(touch x)' --re"))).toContain('--resume');
    expect(await readdir(folder)).not.toContain('x'); // what is on the command line is not executed
    expect(await lines('bash', complete('photo.jpg --format = js'))).toEqual([registered, 'json', 'jsonl']);
    expect(await lines('bash', complete('photo.jpg --re'))).toEqual([registered, '--resume', '--resize']);
    expect(await lines('bash', complete('embed -f ""'))).toEqual([registered, 'jsonl', 'npy', 'parquet']);
    expect(await lines('bash', complete('pho'))).toEqual([registered]); // and bash goes on to files
  });

  it.skipIf(!has('zsh'))('work in zsh, skipped where it is missing', async () => {
    // The two builtins that work in an open line editor alone say what they were given.
    const complete = (words: string) => `
      autoload -Uz compinit && compinit -u -D
      source <(clip-classify completion zsh)
      _describe() { print -l -- "\${completions[@]}"; (( $#completions )) }
      _arguments() { print -- "$1" }
      words=(clip-classify ${words}); CURRENT=$#words
      _clip-classify`;
    const found = await lines('zsh', complete('photo.jpg --re'));
    expect(found.map((line) => line.split(':')[0])).toEqual(['--resume', '--resize']);
    expect((await lines('zsh', complete('pho'))).join('')).toMatch(/_files/u);
  });

  it.skipIf(!has('fish'))('work in fish, skipped where it is missing', async () => {
    const complete = (words: string) =>
      `clip-classify completion fish | source; touch photo.jpg; complete --do-complete 'clip-classify ${words}'`;
    const found = await lines('fish', complete('photo.jpg --re'));
    expect(found.map((line) => line.split('\t')[0]).sort()).toEqual(['--resize', '--resume']);
    expect(await lines('fish', complete('pho'))).toEqual(['photo.jpg']);
  });
});
