import { type Calibration, calibrate } from '../../calibrate.ts';
import { evaluate, type Judged } from '../../evaluate.ts';
import { learnedJson } from '../../learn/file.ts';
import type { Learned } from '../../learn/learned.ts';
import { networkSettings } from '../../network/settings.ts';
import { calibrationJson, calibrationTable, labelsFile, missesText, thresholdsOf } from '../../output/calibration.ts';
import type { LabelledRun } from '../../output/evaluation.ts';
import { type EvaluationRun, evaluationJson, type Provenance, predictionsCsv } from '../../output/evaluation.ts';
import { evaluationTable } from '../../output/evaluation-table.ts';
import { thumbnails } from '../../output/report/thumbnails.ts';
import { calibratedPoint, compareRuns, coverageCurve, keepPredictions, type Prediction } from '../../predictions.ts';
import type { Label } from '../../text/labels.ts';
import type { Io } from '../io.ts';
import { decodeOptions } from '../options/model-options.ts';
import type { EarlierRun } from './earlier.ts';
import type { EvalOptions } from './options.ts';

const DEFAULT_PRECISION = 0.95;

/** The outcome of a run, and how to write it. */
export interface Outcome {
  readonly images: number;
  readonly failed: number;
  /** Warnings about the outcome. */
  readonly warnings: readonly string[];
  table(color: boolean): string;
  json(): string;
  /** The content of the output file. */
  file(path: string): string | Promise<string>;
}

/** A classifier's labels, and the classifier if it was learned. */
export interface Ranked {
  readonly labels: readonly Label[];
  readonly learned: Learned | undefined;
}

type JudgedImages = AsyncIterable<Judged & { readonly key: string }>;

export async function evaluated(
  judged: JudgedImages,
  { labels }: Ranked,
  run: LabelledRun & Provenance,
  { options, env, earlier }: { options: EvalOptions; env: Io['env']; earlier: EarlierRun | undefined },
): Promise<Outcome> {
  const start = performance.now();
  const predictions: Prediction[] = [];
  const evaluation = await evaluate(
    keepPredictions(judged, predictions),
    labels.map(({ label }) => label),
  );
  const timed: EvaluationRun = { ...run, seconds: (performance.now() - start) / 1000 };
  const comparison = earlier && { other: earlier.path, ...compareRuns(predictions, earlier.predictions) };
  const details = { predictions, comparison };
  const json = () => evaluationJson(timed, evaluation, details);
  return {
    ...evaluation,
    warnings: comparison?.images === 0 ? [`${comparison.other} has none of these images`] : [],
    table: (color) => evaluationTable(timed, evaluation, { color }, details),
    json,
    file: async (path) => {
      if (/\.json$/iu.test(path)) return json();
      if (/\.csv$/iu.test(path)) return predictionsCsv(predictions, evaluation);
      const { report } = await import('../../output/report/page.ts');
      const { imageFetcher } = await import('../../image/download.ts');
      const fetchImage = imageFetcher(() => networkSettings(env, options.offline));
      const pictures = await thumbnails(evaluation.mistakes, decodeOptions(options), fetchImage);
      const chosen = await calibratedPoint(predictions, DEFAULT_PRECISION);
      const coverage = { curve: coverageCurve(predictions), target: DEFAULT_PRECISION, chosen };
      return report(timed, evaluation, pictures, { coverage, comparison });
    },
  };
}

export async function calibrated(
  judged: JudgedImages,
  { labels, learned }: Ranked,
  run: LabelledRun,
  { precision = DEFAULT_PRECISION }: EvalOptions,
): Promise<Outcome> {
  const calibration = await calibrate(
    judged,
    labels.map(({ label }) => label),
    precision,
  );
  const misses = missesText(calibration);
  return {
    ...calibration,
    warnings: misses === undefined ? [] : [misses],
    table: (color) => calibrationTable(calibration, { color }),
    json: () => calibrationJson(run, calibration),
    file: () => (learned ? learnedJson(withThresholds(learned, calibration)) : labelsFile(calibration, labels)),
  };
}

function withThresholds(learned: Learned, calibration: Calibration): Learned {
  const thresholds = thresholdsOf(calibration);
  const labels = learned.labels.map((label) => ({ ...label, threshold: thresholds.get(label.label) ?? 1 }));
  return { ...learned, labels };
}
