import { Command } from 'commander';
import { createColors } from 'picocolors';
import { ClipError, messageOf, oneLine } from '../../errors.ts';
import { describeModel } from '../../model/description.ts';
import { examine, type Finding } from '../../model/doctor.ts';
import { defaultModel, modelNames } from '../../model/store.ts';
import { withFlags } from '../../output/flags.ts';
import { escapeControls } from '../../output/json.ts';
import { Sink } from '../../output/sink.ts';
import { type Io, wantsColor } from '../io.ts';

export const doctorCommand = (io: Io, onExit: (code: number) => void) =>
  new Command('doctor')
    .description('check this installation and suggest fixes')
    .option('--json', 'print JSON')
    .option('--offline', 'do not contact the Hugging Face Hub')
    .addHelpText(
      'after',
      '\nExamples:\n  $ clip-classify doctor\n  $ clip-classify doctor --json | jq \'.[] | select(.state == "problem")\'',
    )
    .action(async ({ json, offline = false }: { json?: true; offline?: boolean }) => {
      const sink = new Sink(io.stdout, 'standard output');
      const findings: Finding[] = [];
      for await (const finding of allFindings(io, offline)) {
        findings.push(finding);
        if (!json) await sink.write(findingLine(finding, wantsColor(io.stdout, io.env)));
      }
      if (json) await sink.write(`${escapeControls(JSON.stringify(findings, null, 2))}\n`);
      onExit(findings.some(({ state }) => state === 'problem') ? 1 : 0);
    });

async function* allFindings(io: Io, offline: boolean): AsyncGenerator<Finding> {
  yield* examine(io.env, offline);
  const chosen = defaultModel(io.env);
  for (const name of new Set([...(await modelNames(io.env)), chosen])) {
    const topic = `model ${name}${name === chosen ? ' (default)' : ''}`;
    try {
      const { folder, preprocessing } = await describeModel(name, { env: io.env });
      yield { topic, state: 'ok', detail: `images of ${preprocessing.size} pixels, in ${folder}` };
    } catch (error) {
      const [detail, fix] =
        error instanceof ClipError
          ? [withFlags(error.fact), withFlags(error.nextStep)]
          : [messageOf(error), 'run clip-classify models list'];
      yield { topic, state: 'problem', detail, fix };
    }
  }
}

function findingLine({ topic, state, detail, fix }: Finding, color: boolean): string {
  const paint = createColors(color);
  const mark = { ok: paint.green('ok     '), absent: paint.dim('absent '), problem: paint.red('problem') }[state];
  return `${mark}  ${oneLine(topic).padEnd(20)}  ${oneLine(detail)}\n${fix === undefined ? '' : `${' '.repeat(31)}→ ${oneLine(fix)}\n`}`;
}
