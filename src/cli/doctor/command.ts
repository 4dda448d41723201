import { Command } from 'commander';
import { createColors } from 'picocolors';
import { ClipError, messageOf, oneLine } from '../../errors.ts';
import { defaultModel } from '../../model/default-model.ts';
import { describeModel } from '../../model/describe.ts';
import { examine, type Finding } from '../../model/doctor.ts';
import { modelNames } from '../../model/find.ts';
import { refuseDamaged, STARTER, verifyStarter } from '../../model/starter.ts';
import { withFlags } from '../../output/flags.ts';
import { escapeControls } from '../../output/json.ts';
import { Sink } from '../../output/sink.ts';
import { fitted, helpWidth } from '../help/layout.ts';
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
        if (!json) await sink.write(findingLine(finding, io));
      }
      await sink.write(json ? `${escapeControls(JSON.stringify(findings, null, 2))}\n` : `${verdict(findings)}\n`);
      onExit(findings.some(({ state }) => state === 'problem') ? 1 : 0);
    });

async function* allFindings(io: Io, offline: boolean): AsyncGenerator<Finding> {
  yield* examine(io.env, offline);
  const chosen = defaultModel(io.env);
  for (const name of new Set([...(await modelNames(io.env)), chosen])) {
    const topic = `model ${name}${name === chosen ? ' (default)' : ''}`;
    try {
      if (name === STARTER) refuseDamaged(await verifyStarter());
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

/** Columns of the state and of the topic. */
const [STATE, TOPIC] = [9, 22] as const;
const LEAST_DETAIL = 30;

function findingLine({ topic, state, detail, fix }: Finding, io: Io): string {
  const paint = createColors(wantsColor(io.stdout, io.env));
  const mark = { ok: paint.green('ok'), absent: paint.dim('absent'), problem: paint.red('problem') }[state];
  const width = helpWidth(io);
  const isNarrow = width < STATE + TOPIC + LEAST_DETAIL;
  const indent = ' '.repeat(isNarrow ? STATE : STATE + TOPIC);
  const text = [detail, ...(fix === undefined ? [] : [`→ ${fix}`])]
    .map((part) => fitted(indent + oneLine(part), width))
    .join('\n');
  const head = `${mark}${' '.repeat(STATE - state.length)}${oneLine(topic)}`;
  if (isNarrow || topic.length >= TOPIC) return `${head}\n${text}\n`;
  return `${head}${' '.repeat(TOPIC - topic.length)}${text.trimStart()}\n`;
}

/** The verdict: whether images can be classified here, and on which provider. */
function verdict(findings: readonly Finding[]): string {
  const problems = findings.filter(({ state }) => state === 'problem');
  if (problems.length > 0) return `Not ready: ${problems.map(({ topic }) => topic).join(', ')}`;
  const works = findings.filter(({ topic, state }) => topic.startsWith('provider ') && state === 'ok');
  return `Ready: ${works.map(({ topic }) => topic.replace('provider ', '')).join(', ')}`;
}
