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
