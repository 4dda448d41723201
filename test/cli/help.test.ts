import { describe, expect, it } from 'vitest';
import { COMMANDS, commandNamed } from '../../src/cli/commands.ts';
import type { Io } from '../../src/cli/io.ts';
import { commandLines, helpOf } from './command-lines.ts';
import { cli } from './io.ts';

/** The lines under the last Examples of a help. */
const examplesOf = (help: string) => help.trimEnd().split('\nExamples:\n').at(-1)?.split('\n') ?? [];

/** The words of an example as a shell splits them, up to its comment, pipe or redirection. */
function wordsOf(example: string): string[] {
  const [, command = ''] = /clip-classify ?(.*)$/u.exec(example) ?? [];
  const words = [...command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/gu)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? '',
  );
  const end = words.findIndex((word) => /^[#|>]/u.test(word));
  return end < 0 ? words : words.slice(0, end);
}

const io: Io = {
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: () => process.stdin,
  env: {},
  interruption: new AbortController().signal,
};

/** What the command of a line does not know among its words; throws where an option lacks its value or has a bad one. */
async function unknownOf(words: readonly string[]): Promise<string[]> {
  const named = commandNamed(words[0]);
  const command = (await COMMANDS[named ?? 'classify']())(io, () => {}, COMMANDS);
  const child = command.commands.find((one) => one.name() === words[1]);
  const { unknown } = (child ?? command).exitOverride().parseOptions([...words]);
  return unknown;
}

describe('the help of each command', () => {
  it.each(commandLines)('"%s" ends with two examples or more, of options that there are', async (line) => {
    const examples = examplesOf(await helpOf(line === '' ? [] : line.split(' ')));
    expect(examples.length).toBeGreaterThanOrEqual(2);
    for (const example of examples) {
      expect(example).toMatch(/^ {2}\$ clip-classify /u);
      expect(await unknownOf(wordsOf(example))).toEqual([]);
    }
  });

  it('is reached from every command that the program names', async () => {
    const top = commandLines.filter((line) => line !== '' && !line.includes(' '));
    expect([...top].sort()).toEqual(Object.keys(COMMANDS).sort());
    expect(await cli(['help', 'embed'])).toEqual(await cli(['embed', '--help']));
    expect(await cli(['help'])).toEqual(await cli(['--help']));
    expect((await cli(['models', '--help'])).stdout).toMatch(/\n {2}inspect /u);
  });
});
