import { Argument, Command, Option } from 'commander';
import { oneLine } from '../../errors.ts';
import { toJson } from '../../output/json.ts';
import { Sink } from '../../output/sink.ts';
import type { Finding } from '../../text/label-lint.ts';
import { runOnModel } from '../image-run.ts';
import { type Io, unlessInterrupted } from '../io.ts';
import { say } from '../messages.ts';
import { withCacheOptions } from '../options/cache-options.ts';
import { givenLabels, type LabelOptions, withLabelOptions } from '../options/label-options.ts';
import { type ModelOptions, withModelOptions } from '../options/model-options.ts';

interface LintOptions extends LabelOptions, ModelOptions {
  readonly format?: 'text' | 'jsonl';
  readonly quiet?: boolean;
}

const EXAMPLES = `
The exit code is 0 if there is nothing to report, 1 if there is.

Examples:
  $ clip-classify labels lint labels.txt
  $ clip-classify labels lint -l "a dog,poodle,no animal"`;

export const lintCommand = (io: Io, onExit: (code: number) => void) => {
  const command = new Command('lint')
    .description('check labels: duplicates, parents next to children, ambiguous words, negations, long prompts')
    .addArgument(new Argument('[file]', 'labels file'));
  return withCacheOptions(withModelOptions(withLabelOptions(command)))
    .optionsGroup('Output:')
    .addOption(
      new Option('-f, --format <format>', 'output format (default: text on a terminal, otherwise jsonl)').choices([
        'text',
        'jsonl',
      ]),
    )
    .option('--quiet', 'print no summary')
    .addHelpText('after', EXAMPLES)
    .action(async (file: string | undefined, options: LintOptions) => onExit(await lint(file, options, io)));
};

/** @returns the exit code */
async function lint(file: string | undefined, options: LintOptions, io: Io): Promise<number> {
  const { labelsFile = [], template, about, quiet = false } = options;
  const labels = await givenLabels({ ...options, labelsFile: file === undefined ? labelsFile : [file, ...labelsFile] });
  const { lintLabels } = await import('../../lint-labels.ts');
  let count = 0;
  await runOnModel({ amount: 'one' }, options, true, io, async (clip) => {
    const found = await unlessInterrupted(
      lintLabels(clip, labels, { ...(template && { templates: template }), ...(about !== undefined && { about }) }),
      io,
    );
    count = found.length;
    const format = options.format ?? (io.stdout.isTTY === true ? 'text' : 'jsonl');
    const lines = found.map((finding) => (format === 'text' ? lineOf(finding) : `${toJson(finding)}\n`));
    await new Sink(io.stdout, 'standard output').write(lines.join(''));
    return { ok: 0, failed: 0 };
  });
  if (!quiet) say(io, 'note', count === 0 ? 'nothing to report' : `${count} ${count === 1 ? 'finding' : 'findings'}`);
  return count > 0 ? 1 : 0;
}

function lineOf({ rule, message, instead }: Finding): string {
  return `${rule}: ${oneLine(message)}; instead: ${oneLine(instead)}\n`;
}
