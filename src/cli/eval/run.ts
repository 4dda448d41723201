import { calibrate } from '../../calibrate.ts';
import { createClassifier } from '../../classifier.ts';
import { UsageError } from '../../errors.ts';
import { evaluate, type Judged } from '../../evaluate.ts';
import { LeftOut } from '../../inputs/left-out.ts';
import { networkSettings } from '../../network/settings.ts';
import { calibrationJson, calibrationTable, labelsFile } from '../../output/calibration.ts';
import { type EvaluationFormat, evaluationJson, evaluationTable, type LabelledRun } from '../../output/evaluation.ts';
import { thumbnails } from '../../output/report/thumbnails.ts';
import { refuseToOverwrite } from '../../output/result-output.ts';
import { Sink } from '../../output/sink.ts';
import { checkLabels, type Label } from '../../text/labels.ts';
import { type ImageRunOptions, runOnModel, warner } from '../image-run.ts';
import { type Io, unlessInterrupted, wantsColor } from '../io.ts';
import type { WalkOptions } from '../options/input-options.ts';
import { classifierOptions, givenLabels, type LabelOptions, type ScoreOptions } from '../options/label-options.ts';
import { givenLearned } from '../options/learned-option.ts';
import { decodeOptions } from '../options/model-options.ts';
import { withProgress } from '../progress.ts';
import { checkWritable, writeExport } from './exports.ts';
import { judge, matchClasses } from './judge.ts';
import { openTruth } from './truth.ts';

/** Labels looked at for an image: top-5 needs no more. */
const TOP = 5;
const DEFAULT_PRECISION = 0.95;

export interface EvalOptions extends WalkOptions, LabelOptions, Omit<ScoreOptions, 'multiLabel'>, ImageRunOptions {
  readonly format?: EvaluationFormat;
  readonly output?: readonly string[];
  readonly imageColumn?: string;
  readonly labelColumn?: string;
  readonly calibrate?: boolean;
  readonly precision?: number;
}

/** @returns the exit code */
export async function runEval(source: string, options: EvalOptions, io: Io): Promise<number> {
  const { output = [], hidden, follow, exclude } = options;
  const warn = warner(options, io);
  checkUsage(options);
  for (const file of output) await refuseToOverwrite(file, [source, ...(options.labelsFile ?? [])]);
  const left = { beside: 0 };
  const leftOut = new LeftOut();
  const onLoop = (path: string) => warn(`skipped ${path}: the folder was already read by another path`);
  const walk = { hidden, follow, exclude, leftOut, onLoop };
  const truth = await openTruth(source, walk, options, { onNoClass: () => left.beside++, warn });
  const learned = await givenLearned(options);
  const given = learned === undefined ? await givenLabels(options) : [];
  const labels = learned?.labels ?? checkLabels(given.length > 0 ? given : truth.labels);
  const names = matchClasses(truth.labels, labels);
  for (const file of output) await checkWritable(file);

  const images = { amount: 'many', count: () => truth.count(), leftOut } as const;
  return runOnModel(images, options, false, io, async (clip, progress) => {
    const classifier = await unlessInterrupted(
      createClassifier(clip, learned ?? labels, { ...classifierOptions(options), onWarning: warn }),
      io,
    );
    const judged = withProgress(
      judge(classifier, truth.images(), names, { ...decodeOptions(options), top: TOP }),
      progress,
    );
    const provider = await unlessInterrupted(clip.provider(), io); // opens the graph: the time of the images begins after it
    const { name: model, dtype } = clip;
    const run = { model, provider, dtype, templates: classifier.templates, truth: source };
    const work = options.calibrate
      ? calibrated(judged, labels, run, options)
      : evaluated(judged, labels, run, options, io.env);
    const outcome = await unlessInterrupted(work, io);
    if (outcome.images + outcome.failed === 0)
      throw new UsageError(`${source} contains no images`, 'use a folder with jpg, png, webp, gif, tiff or avif files');

    const format = options.format ?? (io.stdout.isTTY === true ? 'table' : 'json');
    for (const file of output) await writeExport(file, await outcome.file(file)); // first: a closed pipe costs no file
    await new Sink(io.stdout, 'standard output').write(outcome[format](wantsColor(io.stdout, io.env)));
    if (left.beside > 0) warn(`skipped ${left.beside} images that are not in the folder of a class`);
    return { ok: outcome.images, failed: outcome.failed };
  });
}

/** What a run came to, and how to put it. */
interface Outcome {
  readonly images: number;
  readonly failed: number;
  table(color: boolean): string;
  json(): string;
  /** The contents of an output file. */
  file(path: string): string | Promise<string>;
}

async function evaluated(
  judged: AsyncIterable<Judged>,
  labels: readonly Label[],
  run: LabelledRun,
  options: EvalOptions,
  env: Io['env'],
): Promise<Outcome> {
  const start = performance.now();
  const evaluation = await evaluate(
    judged,
    labels.map(({ label }) => label),
  );
  const timed = { ...run, seconds: (performance.now() - start) / 1000 };
  const json = () => evaluationJson(timed, evaluation);
  return {
    ...evaluation,
    table: (color) => evaluationTable(timed, evaluation, { color }),
    json,
    file: async (path) => {
      if (isJson(path)) return json();
      const { report } = await import('../../output/report/page.ts');
      const { imageFetcher } = await import('../../image/download.ts');
      const fetchImage = imageFetcher(() => networkSettings(env, options.offline));
      return report(timed, evaluation, await thumbnails(evaluation.mistakes, decodeOptions(options), fetchImage));
    },
  };
}

async function calibrated(
  judged: AsyncIterable<Judged & { readonly key: string }>,
  labels: readonly Label[],
  run: LabelledRun,
  { precision = DEFAULT_PRECISION }: EvalOptions,
): Promise<Outcome> {
  const calibration = await calibrate(
    judged,
    labels.map(({ label }) => label),
    precision,
  );
  return {
    ...calibration,
    table: (color) => calibrationTable(calibration, { color }),
    json: () => calibrationJson(run, calibration),
    file: () => labelsFile(calibration, labels),
  };
}

function isJson(file: string): boolean {
  return /\.json$/iu.test(file);
}

function checkUsage({ output = [], calibrate = false, precision, ...given }: EvalOptions): void {
  const { none, nonePrompts, threshold, minMargin } = classifierOptions(given);
  if (calibrate && [none, nonePrompts, threshold, minMargin].some((limit) => limit !== undefined))
    throw new UsageError(
      '--calibrate chooses the thresholds itself',
      'remove --threshold, --min-margin, --background and --background-prompt',
    );
  if (precision !== undefined && !calibrate)
    throw new UsageError('--precision needs --calibrate', 'add --calibrate, or remove --precision');
  const known = calibrate ? /\.json$/iu : /\.(json|html)$/iu;
  const odd = output.find((file) => !known.test(file));
  if (odd !== undefined)
    throw new UsageError(
      `cannot tell the format from the extension of ${odd}`,
      calibrate ? 'use a name that ends in .json' : 'use a name that ends in .html or .json',
    );
}
