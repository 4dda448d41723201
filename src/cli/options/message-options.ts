import { type Command, Option } from 'commander';
import type { Io } from '../io.ts';

/** Adds `--log`. {@link wantsJsonLog} reads it before the command line is parsed, because errors of parsing are JSON lines, too. */
export function withLogOption(command: Command): Command {
  return command.addOption(
    new Option('--log <form>', 'lines on standard error: text, or one JSON object per line (docs/logs.md)')
      .choices(['text', 'json'])
      .default('text'),
  );
}

/** The options for messages of a command that runs a model on images. @param also what else `--verbose` shows */
export function withMessageOptions(command: Command, { report }: Pick<Io, 'report'>, also = ''): Command {
  command
    .optionsGroup('Messages:')
    .option('--quiet', 'show no progress, warnings or summary')
    .option('--verbose', `also show ${also}the causes of an error`);
  return withLogOption(command)
    .option('--summary <file>', 'when the run ends, write its counts, times and versions to a JSON file')
    .hook('preAction', async (_, action) => {
      const { summary, ...options } = action.opts<Record<string, unknown>>();
      if (typeof summary !== 'string') return;
      const files = [...action.args, ...Object.values(options).flat()].filter((one) => typeof one === 'string');
      await report?.writeTo(summary, files);
    });
}

/** Whether a command line contains `--log json`. */
export function wantsJsonLog(words: readonly string[]): boolean {
  const end = words.indexOf('--');
  const options = end < 0 ? words : words.slice(0, end);
  return options.some((word, n) => word === '--log=json' || (word === '--log' && options[n + 1] === 'json'));
}
