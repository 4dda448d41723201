// Writes docs/options.md and man/clip-classify.1 from the commands themselves. Run by npm run reference.
import { writeFile } from 'node:fs/promises';
import { env, stderr, stdin, stdout } from 'node:process';
import packageJson from '../package.json' with { type: 'json' };
import { COMMANDS } from '../src/cli/commands.ts';
import { manPage, optionsPage } from '../src/cli/help/reference.ts';

const io = { stdout, stderr, stdin: () => stdin, env, interruption: new AbortController().signal };
await writeFile(new URL('../docs/options.md', import.meta.url), await optionsPage(COMMANDS, io));
await writeFile(new URL('../man/clip-classify.1', import.meta.url), await manPage(COMMANDS, io, packageJson.version));
