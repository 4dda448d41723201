import { describe, expect, it } from 'vitest';
import { COMMANDS, commandNamed } from '../../src/cli/commands.ts';
import type { Io } from '../../src/cli/io.ts';
import { commandLines, examplesOf, helpOf, wordsOf } from './command-lines.ts';
import { cli } from './io.ts';

const io: Io = {
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: () => process.stdin,
  env: {},
  interruption: new AbortController().signal,
};

/** The unknown options in a command line. Throws if the value of an option is missing or wrong. */
async function unknownOf(words: readonly string[]): Promise<string[]> {
  const named = commandNamed(words[0]);
  const command = (await COMMANDS[named ?? 'classify']())(io, () => {}, COMMANDS);
  const child = command.commands.find((one) => one.name() === words[1]);
  const { unknown } = (child ?? command).exitOverride().parseOptions([...words]);
  return unknown;
}

describe('the help of each command', () => {
  it.each(commandLines)('"%s" ends with at least two examples, which use existing options', async (line) => {
    const examples = examplesOf(await helpOf(line === '' ? [] : line.split(' ')));
    expect(examples.length).toBeGreaterThanOrEqual(2);
    for (const example of examples) {
      expect(example).toMatch(/^ {2}\$ clip-classify /u);
      expect(await unknownOf(wordsOf(example))).toEqual([]);
    }
  });

  it.each(commandLines)('"%s" has at most 45 lines with -h', async (line) => {
    const words = line === '' ? [] : line.split(' ');
    const short = await cli([...words, '-h']);
    expect(short.code).toBe(0);
    expect(short.stdout.split('\n').length).toBeLessThanOrEqual(46);
  });

  it('is printed to standard error, with exit code 2, if there are no arguments', async () => {
    const { code, stdout, stderr } = await cli([]);
    expect([code, stdout, stderr]).toEqual([2, '', (await cli(['-h'])).stdout]);
  });

  it.each(['formats', 'environment', 'exit-codes'])('has the topic %s', async (topic) => {
    expect((await cli(['help', topic])).stdout.length).toBeGreaterThan(200);
    expect((await cli(['--help'])).stdout).toContain(`help ${topic}`);
  });

  it.each([
    [['doctr'], /no command or image called doctr; did you mean clip-classify doctor\?/],
    [['model', 'list'], /did you mean clip-classify models\?/],
    [['cat.jpg', '--labels', 'cat', 'dog'], /no image called dog; separate labels with commas: --labels cat,dog/],
    [['cat.jpg', '--lables', 'cat'], /unknown option --lables; did you mean --labels\?/],
    [['cat.jpg', '--top', '0'], /--top "0" is not valid; use a whole number from 1/],
    [['cat.jpg', '--labels'], /--labels needs a value; add <list> after --labels/],
    [['cat.jpg', '-l', 'cat,dog', '--provider', 'cpu', '--device', '1'], /--device chooses a GPU/],
    [['cat.jpg', '-f', 'xml'], /--format "xml" is not valid; use one of table, json/],
    [['eval'], /<folder\|truth.csv> is missing; run clip-classify eval --help/],
  ])('%j is answered with what was meant', async (args, message) => {
    const { code, stderr } = await cli(args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });

  it('exists for every command that the program lists', async () => {
    const top = commandLines.filter((line) => line !== '' && !line.includes(' '));
    expect([...top].sort()).toEqual(Object.keys(COMMANDS).sort());
    expect(await cli(['help', 'embed'])).toEqual(await cli(['embed', '--help']));
    expect(await cli(['help'])).toEqual(await cli(['--help']));
    expect((await cli(['models', '--help'])).stdout).toMatch(/\n {2}inspect /u);
  });
});
