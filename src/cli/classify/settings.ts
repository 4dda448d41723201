import type { ImageResult } from '../../classifier.ts';
import { packageVersion } from '../../disk/package-version.ts';
import { isLearned, type Learned } from '../../learn/learned.ts';
import type { Scoring } from '../../model/description.ts';
import type { RunSettings } from '../../output/run-settings.ts';
import type { RunInfo } from '../../output/writer.ts';
import type { Label } from '../../text/labels.ts';
import type { ImageRunOptions } from '../image-run.ts';
import type { Io } from '../io.ts';
import { say } from '../messages.ts';
import { chosenShard } from '../options/input-options.ts';
import { classifierOptions, type LabelOptions, type ScoreOptions } from '../options/label-options.ts';
import { decodeOptions } from '../options/model-options.ts';
import type { OutputOptions } from '../options/output-options.ts';
import type { ServerOptions } from '../options/server-options.ts';
import type { PartsOptions } from '../parts/options.ts';
import type { OpenedModel } from '../run-report.ts';
import type { ExplainOptions } from './explain.ts';

export interface ClassifyOptions
  extends PartsOptions,
    LabelOptions,
    ScoreOptions,
    OutputOptions,
    ExplainOptions,
    ServerOptions,
    Omit<ImageRunOptions, 'quiet' | 'offline'> {
  readonly from?: string;
}

/** What all rows have in common. If stored embeddings are ranked, the image graph does not run. */
export function runInfo(model: OpenedModel, templates: readonly string[], runsOnImages: boolean): RunInfo {
  const provider = async () => (runsOnImages ? model.provider() : null);
  return { model: model.name, provider, dtype: runsOnImages ? model.dtype : null, templates };
}

/** With --verbose, prints the notes of the decoders before the row of the image. */
export async function* withNotes(
  results: AsyncIterable<ImageResult>,
  verbose: boolean,
  io: Io,
): AsyncGenerator<ImageResult> {
  for await (const result of results) {
    if (verbose) for (const note of result.notes ?? []) say(io, 'note', `${result.image}: ${note}`);
    yield result;
  }
}

/** Everything that the rows of a run depend on, except the images. */
export async function runSettings(
  model: OpenedModel & Scoring,
  classes: readonly Label[] | Learned,
  templates: readonly string[],
  options: ClassifyOptions,
  io: Io,
): Promise<RunSettings> {
  return {
    labels: isLearned(classes) ? classes.labels : classes,
    ...(isLearned(classes) && { learned: (await import('../../learn/file.ts')).learnedDigest(classes) }),
    ...rowOptions(options, io),
    templates,
    ...(await modelSettings(model, options)),
  };
}

/** The options that the rows depend on. */
function rowOptions(options: ClassifyOptions, io: Io): RunSettings {
  const { top, carry } = options;
  const shard = options.outputDir === undefined ? (chosenShard(options, io) ?? null) : undefined; // parts do not depend on the format
  return {
    ...classifierOptions(options),
    top,
    ...decodeOptions(options),
    ...(shard !== undefined && { shard }),
    ...(carry && { carry }),
  };
}

/** What the rows depend on in the model. */
async function modelSettings(
  { name, dtype, logitScale, logitBias, digest }: OpenedModel & Scoring,
  { output, outputDir }: ClassifyOptions,
): Promise<RunSettings> {
  if (output === undefined && outputDir === undefined) return {};
  return { version: await packageVersion(), model: { name, digest: await digest(), dtype, logitScale, logitBias } };
}
