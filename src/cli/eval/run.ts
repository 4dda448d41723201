import { type Classifier, createClassifier } from '../../classifier.ts';
import { packageVersion } from '../../disk/package-version.ts';
import { UsageError } from '../../errors.ts';
import { sameFolder } from '../../inputs/images.ts';
import { LeftOut } from '../../inputs/left-out.ts';
import type { Path } from '../../inputs/path.ts';
import { STDIN } from '../../inputs/stdin.ts';
import { writeOutput } from '../../output/open-output.ts';
import { checkWritable, refusePicture, refuseToOverwrite } from '../../output/result-output.ts';
import { Sink } from '../../output/sink.ts';
import { checkLabels } from '../../text/labels.ts';
import { runOnModel, warner } from '../image-run.ts';
import { type Io, unlessInterrupted, wantsColor } from '../io.ts';
import { classifierOptions, givenLabels, isLearnedFile } from '../options/label-options.ts';
import { givenLearned, learnedPath } from '../options/learned-option.ts';
import { decodeOptions } from '../options/model-options.ts';
import { withProgress } from '../progress.ts';
import { Contradictions } from './contradictions.ts';
import { readEarlier } from './earlier.ts';
import { judge, matchClasses, raiseClasses } from './judge.ts';
import type { EvalOptions } from './options.ts';
import { calibrated, evaluated } from './outcome.ts';
import { openTruth, withoutClass } from './truth.ts';

/** The number of labels for each image; top-5 accuracy needs five. */
const TOP = 5;

/** @returns the exit code */
export async function runEval(source: string, options: EvalOptions, io: Io): Promise<number> {
  const { hidden, follow, exclude } = options;
  const output = (options.output ?? []).filter((file) => file !== STDIN); // the figures are on standard output anyway
  const warn = warner(options, io);
  checkUsage({ ...options, output });
  const learnedFile = learnedPath(options.labels ?? []);
  const read = [source, ...(options.labelsFile ?? []), learnedFile, options.compare].filter((one) => one !== undefined);
  for (const file of output) {
    await refuseToOverwrite(file, read);
    await refusePicture(file);
  }
  const left = { beside: 0 };
  const leftOut = new LeftOut();
  const onLoop = (path: Path, before: Path) => warn(sameFolder(path, before));
  const walk = { hidden, follow, exclude, leftOut, onLoop };
  const truth = await openTruth(source, walk, options, { onNoClass: () => left.beside++, warn });
  const learned = await givenLearned(options);
  const given = learned === undefined ? await givenLabels(options) : [];
  const labels = learned?.labels ?? checkLabels(given.length > 0 ? given : truth.labels);
  const earlier = options.compare === undefined ? undefined : await readEarlier(options.compare);
  const names = matchClasses(truth.labels, labels);
  for (const file of output) await checkWritable(file);

  const images = { amount: 'many', count: () => truth.count(), leftOut } as const;
  return runOnModel(images, options, false, io, async (clip, progress) => {
    const classifier = await unlessInterrupted(
      createClassifier(clip, learned ?? labels, { ...classifierOptions(options), onWarning: warn }),
      io,
    );
    const classify: Pick<Classifier, 'classify'> = {
      classify: (sources, decoding) => withProgress(classifier.classify(sources, decoding), progress),
    };
    const isRanked = new Set(classifier.labels);
    const ranked = labels.filter(({ label }) => isRanked.has(label));
    const raised = raiseClasses(names, labels, classifier.labels);
    const contradictions = new Contradictions();
    const judged = contradictions.watch(
      judge(classify, truth.images(), raised, { ...decodeOptions(options), top: TOP }),
    );
    const provider = await unlessInterrupted(clip.provider(), io); // opens the graph, so that the measured time contains images only
    const { name: model, dtype } = clip;
    const run = {
      date: new Date().toISOString().slice(0, 10),
      version: await packageVersion(),
      model,
      digest: await unlessInterrupted(clip.digest(), io),
      provider,
      dtype,
      templates: classifier.templates,
      labelsFrom: labelsFrom(options),
      truth: source,
    };
    const work = options.calibrate
      ? calibrated(judged, { labels: ranked, learned }, run, options)
      : evaluated(judged, { labels: ranked, learned }, run, { options, env: io.env, earlier });
    const outcome = await unlessInterrupted(work, io);
    if (outcome.images + outcome.failed === 0)
      throw new UsageError(`${source} contains no images`, 'use a folder with jpg, png, webp, gif, tiff or avif files');

    const format = options.format ?? (io.stdout.isTTY === true ? 'table' : 'json');
    for (const file of output) await writeOutput(file, await outcome.file(file)); // first, so that files are written even if the pipe is closed
    await new Sink(io.stdout, 'standard output').write(outcome[format](wantsColor(io.stdout, io.env)));
    for (const warning of [...outcome.warnings, contradictions.warning() ?? []].flat()) warn(warning);
    if (left.beside > 0) warn(withoutClass(left.beside));
    return { ok: outcome.images, failed: outcome.failed };
  });
}

/** The source of the labels in words, for the report. */
function labelsFrom({ labels = [], labelsFile = [] }: EvalOptions): string {
  if (labels.length + labelsFile.length === 0) return 'the classes of the images';
  const given = labels.filter((label) => !label.startsWith('@'));
  const named = labels.filter((label) => label.startsWith('@'));
  return [...(given.length > 0 ? ['--labels'] : []), ...named, ...labelsFile].join(', ');
}

function checkUsage({ output = [], compare, calibrate = false, precision, ...given }: EvalOptions): void {
  const { none, nonePrompts, threshold, minMargin } = classifierOptions(given);
  if (calibrate && [none, nonePrompts, threshold, minMargin].some((limit) => limit !== undefined))
    throw new UsageError(
      '--calibrate chooses the thresholds itself',
      'remove --threshold, --min-margin, --background and --background-prompt',
    );
  if (precision !== undefined && !calibrate)
    throw new UsageError('--precision needs --calibrate', 'add --calibrate, or remove --precision');
  if (compare !== undefined && calibrate)
    throw new UsageError('--calibrate does not compare runs', 'remove --compare or --calibrate');
  const isLearned = learnedPath(given.labels ?? []) !== undefined;
  const plain = output.find((file) => calibrate && isLearned && !isLearnedFile(file));
  if (plain !== undefined)
    throw new UsageError(
      `the thresholds of a learned classifier do not fit ${plain}`,
      'use a name that ends in .clf.json',
    );
  const known = calibrate ? /\.json$/iu : /\.(json|html|csv)$/iu;
  const odd = output.find((file) => !known.test(file));
  if (odd !== undefined)
    throw new UsageError(
      `cannot tell the format from the extension of ${odd}`,
      calibrate ? 'use a name that ends in .json' : 'use a name that ends in .html, .json or .csv',
    );
}
