import type { ImageResult } from '../../classifier.ts';
import { namesBeside } from '../../embed/npy.ts';
import { UsageError } from '../../errors.ts';
import { isLearned } from '../../learn/learned.ts';
import { refusePicture, refuseToOverwrite } from '../../output/result-output.ts';
import { ClosedPipe } from '../../output/sink.ts';
import { checkLabels } from '../../text/labels.ts';
import { type GivenImages, givenImages } from '../given-images.ts';
import { runOn, warner, writeResults } from '../image-run.ts';
import type { Io } from '../io.ts';
import { say } from '../messages.ts';
import { refuseImages } from '../options/input-options.ts';
import { givenLabels } from '../options/label-options.ts';
import { givenLearned, learnedPath } from '../options/learned-option.ts';
import { chooseShape, isOnTerminal } from '../options/output-options.ts';
import { chosenServer } from '../options/server-options.ts';
import { refuseOutputs } from '../parts/options.ts';
import type { Work } from './engine.ts';
import { type ClassifyOptions, runInfo, runSettings, withNotes } from './settings.ts';
import { openSink } from './sink.ts';

/** @returns the exit code */
export async function classify(args: readonly string[], options: ClassifyOptions, io: Io): Promise<number> {
  const { from, output, resume, match, explain, failFast, checksum } = options;
  refuseOutputs(options, {
    '--output': output !== undefined,
    '--resume': resume === true,
    '--checksum': checksum === true,
    '--match': match !== undefined,
    '--from': from !== undefined,
    '--explain': explain !== undefined,
    '--fail-fast': failFast === true,
  });
  const work = await chooseWork(options, io);
  if (from !== undefined) {
    refuseImages(args, options, `--from ${from}`);
    return rank(undefined, work, options, io);
  }
  if (options.outputDir !== undefined) {
    const { classifyParts } = await import('./parts.ts');
    return classifyParts(args, work, options.outputDir, options, io);
  }
  const given = await givenImages(args, options, io, warner(options, io), { readsTars: true });
  try {
    return await rank(given, work, options, io);
  } finally {
    given.stop();
  }
}

/** @throws LabelsError; ServerError if a service is meant and cannot be used */
async function chooseWork(options: ClassifyOptions, io: Io): Promise<Work> {
  const server = chosenServer(options, io);
  const path = learnedPath(options.labels ?? []);
  if (server !== undefined && path !== undefined)
    throw new UsageError(
      `--labels @${path} does not work with a server`,
      `start the server with it, and remove it here: clip-classify serve -l @${path}`,
    );
  const learned = await givenLearned(options);
  const given = learned ?? (await givenLabels(options));
  if (server === undefined) {
    const classes = isLearned(given) ? given : checkLabels(given);
    return {
      classes,
      open: async (amount) => (await import('./model-engine.ts')).modelEngine(classes, amount, options, io),
    };
  }
  const labels = !isLearned(given) && given.length > 0 ? checkLabels(given) : undefined;
  const engine = await (await import('./server-engine.ts')).serverEngine(server, labels, options, io);
  return { classes: labels ?? checkLabels(engine.labels), open: async () => engine };
}

/** @param given undefined if embeddings are ranked */
async function rank(
  given: GivenImages | undefined,
  { classes, open }: Work,
  options: ClassifyOptions,
  io: Io,
): Promise<number> {
  const { failFast = false, resume, verbose = false } = options;
  const pages = options.page !== undefined && options.page !== 1;
  if (resume && options.page === 'all')
    throw new UsageError('--resume does not work with --page all', 'remove one of them');
  const read = [...(given?.args ?? []), ...filesRead(options)];
  if (options.output !== undefined) {
    await refuseToOverwrite(options.output, read);
    await refusePicture(options.output);
  }
  const labels = isLearned(classes) ? classes.labels : classes;
  const shape = chooseShape(options, labels, io);
  const onTerminal = isOnTerminal(options, io) || 'match' in shape;
  const start = () => open(given?.amount ?? 'one');
  return runOn(start, given ?? { amount: 'one' }, options, onTerminal, io, async (engine, progress) => {
    const { clip } = engine;
    const plan = clip && { clip, labels, images: given?.images, read };
    const explanation = plan && (await (await import('./explain.ts')).planExplanation(plan, options, io));
    const ranking = await engine.begin();
    const { templates } = ranking;
    const settings = await runSettings(engine, classes, templates, options, io);
    const info = { ...runInfo(engine, templates, given !== undefined), pages };
    const { sink, remaining } = await openSink(shape, info, settings, options, io);
    const results = ranking.rank(given && remaining(explanation?.images ?? given.images));
    const scores = new Map<string, number>();
    const draw = () => explanation?.draw((label) => scores.get(label));
    const ranked = withNotes(explanation ? withScores(results, scores) : results, verbose, io);
    const counts = await writeResults(ranked, sink, { progress, io, failFast }).catch(async (error) => {
      if (error instanceof ClosedPipe) await draw(); // the reader of the rows has closed the pipe, but the heat map is a file
      throw error;
    });
    if (counts.failed === 0) await draw();
    if (options.verbose && given && counts.ok > 0)
      say(io, 'note', `${engine.name} (${engine.dtype}) ran on ${await engine.provider()}`);
    return counts;
  });
}

/** The same results; the scores of their labels are noted. */
async function* withScores(
  results: AsyncIterable<ImageResult>,
  scores: Map<string, number>,
): AsyncGenerator<ImageResult> {
  for await (const result of results) {
    if (result.ok) for (const { label, score } of result.labels) scores.set(label, score);
    yield result;
  }
}

/** Input files, which the output must not overwrite. */
function filesRead({ labels = [], labelsFile = [], filesFrom, tar = [], from }: ClassifyOptions): string[] {
  const learned = learnedPath(labels);
  return [
    ...(learned === undefined ? [] : [learned]),
    ...labelsFile,
    ...(filesFrom === undefined ? [] : [filesFrom]),
    ...tar,
    ...(from === undefined ? [] : [from, namesBeside(from)]),
  ];
}
