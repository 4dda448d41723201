import { cli } from './io.ts';

/** Every command and subcommand; the empty one is the program itself. */
export const commandLines = [
  '',
  'classify',
  'embed',
  'eval',
  'find',
  'labels',
  'learn',
  'serve',
  'sort',
  'tag',
  'doctor',
  'completion',
  'models',
  ...['list', 'use', 'pull', 'verify', 'path', 'rm', 'import', 'inspect'].map((name) => `models ${name}`),
  'cache',
  ...['show', 'prune', 'clear'].map((name) => `cache ${name}`),
  ...['list', 'show', 'lint'].map((name) => `labels ${name}`),
] as const;

/** What --help prints. */
export const helpOf = async (words: readonly string[]) => (await cli([...words, '--help'])).stdout;

/** The lines under the last Examples of a help. */
export const examplesOf = (help: string) =>
  help
    .replace(/ \\\n +/gu, ' ')
    .trimEnd()
    .split('\nExamples:\n')
    .at(-1)
    ?.split('\n') ?? [];

/** The words of an example as a shell splits them, up to its comment, pipe or redirection. */
export function wordsOf(example: string): string[] {
  const [, command = ''] = /clip-classify ?(.*)$/u.exec(example) ?? [];
  const words = [...command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/gu)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? '',
  );
  const end = words.findIndex((word) => /^[#|>]/u.test(word));
  return end < 0 ? words : words.slice(0, end);
}
