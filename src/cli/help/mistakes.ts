import type { Command, CommanderError } from 'commander';
import { distance } from 'fastest-levenshtein';
import { exists } from '../../disk/exists.ts';
import { UsageError } from '../../errors.ts';

/** The most typing errors in a word for which another word is suggested. */
const MOST_EDITS = 2;

/**
 * Refuses likely mistakes before the first image is read.
 *
 * @param words the words of a command line without a command
 * @throws UsageError
 */
export async function refuseMistakes(words: readonly string[], commands: readonly string[]): Promise<void> {
  const [first = ''] = words;
  const near = /^[a-z]+$/u.test(first) ? nearest(first, commands) : undefined;
  if (near !== undefined && !(await exists(first)))
    throw new UsageError(`there is no command or image called ${first}`, `did you mean clip-classify ${near}?`);
  for (const [n, word] of words.entries()) {
    const [value = '', next = ''] = [words[n + 1], words[n + 2]];
    if ((word !== '-l' && word !== '--labels') || value.includes(',') || !/^[\p{L}\d]+$/u.test(next)) continue;
    if (!(await exists(next)))
      throw new UsageError(
        `there is no image called ${next}`,
        `separate labels with commas: --labels ${value},${next}`,
      );
  }
}

/** @param topic the word after `help`, if there is one @throws UsageError if it is neither a topic nor a command */
export function refuseTopic(topic: string | undefined, known: readonly string[]): void {
  if (topic === undefined || topic.startsWith('-') || known.includes(topic)) return;
  const near = nearest(topic, known);
  throw new UsageError(
    `there is no help about ${topic}`,
    near === undefined ? `use one of ${known.join(', ')}` : `did you mean clip-classify help ${near}?`,
  );
}

/** The name that the user probably meant: it has the same start, or differs by a typing error. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  return (
    names.find((name) => word.length >= 3 && name.startsWith(word)) ??
    names.find((name) => word.length >= 4 && distance(word, name) <= MOST_EDITS)
  );
}

/** commander's error as one fact and one next step. */
export function usageError({ code, message }: CommanderError, command: Command): UsageError {
  const text = message.replace(/^error: /u, '').replace(/\s+/gu, ' ');
  const help = `run ${command.name()} --help to see all options`;
  const [, suggestion] = /\(Did you mean (.+)\?\)/u.exec(text) ?? [];
  const fact = text.replace(/ \(Did you mean .*$/u, '').replace(/\.$/u, '');
  switch (code) {
    case 'commander.invalidArgument': {
      const [, name = '', value = '', why = ''] = /^(.+?) argument '(.*)' is invalid\. ?(.*?)\.?$/u.exec(text) ?? [];
      if (name === '') break;
      return new UsageError(`${longName(name)} ${JSON.stringify(value)} is not valid`, lower(why) || help);
    }
    case 'commander.optionMissingArgument': {
      const [, name = '', value = '<value>'] = /'([^']*?)(?: (<[^']*>))?'/u.exec(text) ?? [];
      return new UsageError(`${longName(name)} needs a value`, `add ${value} after ${longName(name)}`);
    }
    case 'commander.missingArgument': {
      const [, name = ''] = /'(.*)'/u.exec(text) ?? [];
      return new UsageError(`<${name}> is missing`, help);
    }
    case 'commander.help':
      return new UsageError('a subcommand is missing', help);
  }
  return new UsageError(
    fact.replace(/'(--?[^']*)'/gu, '$1'),
    suggestion === undefined ? help : `did you mean ${suggestion}?`,
  );
}

/** `option '-k, --top <n>'` becomes `--top`. */
function longName(text: string): string {
  return /--[a-z0-9-]+/u.exec(text)?.[0] ?? text.replace(/^(?:option|command-argument value) /u, '').replace(/'/gu, '');
}

/** Rewords commander's list of choices. */
function lower(why: string): string {
  return why.replace(/^Allowed choices are /u, 'use one of ');
}
