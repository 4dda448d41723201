import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { COMMANDS } from '../../src/cli/commands.ts';
import { manPage, optionsPage } from '../../src/cli/help/reference.ts';
import { repository } from '../paths.ts';

const { stdout, stderr, stdin } = process;
const io = { stdout, stderr, stdin: () => stdin, env: {}, interruption: new AbortController().signal };
const written = (path: string) => readFile(`${repository}${path}`, 'utf8');

it('docs/options.md matches the commands (npm run reference writes it)', async () => {
  expect(await written('docs/options.md')).toBe(await optionsPage(COMMANDS, io));
});

it('the man page matches the commands (npm run reference writes it)', async () => {
  expect(await written('man/clip-classify.1')).toBe(await manPage(COMMANDS, io, packageJson.version));
});
