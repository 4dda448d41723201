import { Command } from 'commander';
import { namesBeside, storedEmbeddings } from '../../cache/stored.ts';
import { createClassifier } from '../../classifier.ts';
import { UsageError } from '../../errors.ts';
import { isLearned, type Learned } from '../../learn/learned.ts';
import { refusePicture, refuseToOverwrite } from '../../output/result-output.ts';
import { ClosedPipe } from '../../output/sink.ts';
import { checkLabels, type Label } from '../../text/labels.ts';
import { type GivenImages, givenImages } from '../given-images.ts';
import { runOnModel, warner, withMaxErrors, writeResults } from '../image-run.ts';
import { type Io, unlessInterrupted } from '../io.ts';
import { say } from '../messages.ts';
import { withCacheOptions } from '../options/cache-options.ts';
import { refuseImages, withInputOptions, withTarOptions } from '../options/input-options.ts';
import { classifierOptions, givenLabels, withLabelOptions, withScoreOptions } from '../options/label-options.ts';
import { givenLearned, learnedPath } from '../options/learned-option.ts';
import { withMessageOptions } from '../options/message-options.ts';
import { decodeOptions, withModelOptions } from '../options/model-options.ts';
import { chooseShape, isOnTerminal, withOutputOptions } from '../options/output-options.ts';
import { refuseOutputs, withPartsOptions } from '../parts/options.ts';
import { planExplanation, withExplainOptions } from './explain.ts';
import { classifyParts } from './parts.ts';
import { type ClassifyOptions, runInfo, runSettings, withNotes } from './settings.ts';
import { openSink } from './sink.ts';

const EXAMPLES = `
Examples:
  $ clip-classify photo.jpg --labels cat,dog
  $ clip-classify photos/ --labels-file labels.txt --threshold 0.5 --format csv
  $ clip-classify holiday/ -l "beach,mountain,city at night" -o holiday.csv`;

export const classifyCommand = (io: Io, onExit: (code: number) => void) => {
  const command = new Command('classify').description('rank labels for each image (the default command)');
  withTarOptions(withInputOptions(command)).option(
    '--from <file>',
    'rank stored embeddings instead of images: a .npy or .jsonl file that embed wrote',
  );
  withExplainOptions(withMaxErrors(withPartsOptions(withOutputOptions(withScoreOptions(withLabelOptions(command))))));
  return withMessageOptions(
    withCacheOptions(withModelOptions(command)),
    io,
    'the provider, the number of skipped files and ',
  )
    .addHelpText('after', EXAMPLES)
    .action(async (images: string[], options: ClassifyOptions) => onExit(await classify(images, options, io)));
};

async function classify(args: readonly string[], options: ClassifyOptions, io: Io): Promise<number> {
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
  const learned = await givenLearned(options);
  const labels = learned ?? checkLabels(await givenLabels(options));
  if (from !== undefined) {
    refuseImages(args, options, `--from ${from}`);
    return rank(undefined, labels, options, io);
  }
  if (options.outputDir !== undefined) return classifyParts(args, labels, options.outputDir, options, io);
  const given = await givenImages(args, options, io, warner(options, io), { readsTars: true });
  try {
    return await rank(given, labels, options, io);
  } finally {
    given.stop();
  }
}

/** @param given absent where embeddings are ranked */
async function rank(
  given: GivenImages | undefined,
  classes: readonly Label[] | Learned,
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
  return runOnModel(given ?? { amount: 'one' }, options, onTerminal, io, async (clip, progress) => {
    const explanation = await planExplanation({ clip, labels, images: given?.images, read }, options, io);
    const classifier = await unlessInterrupted(
      createClassifier(clip, classes, { ...classifierOptions(options), onWarning: warner(options, io) }),
      io,
    );
    const { templates } = classifier;
    const settings = await runSettings(clip, classes, templates, options, io);
    const info = { ...runInfo(clip, templates, given !== undefined), pages };
    const { sink, remaining } = await openSink(shape, info, settings, options, io);
    const embedded = given
      ? clip.encodeImages(remaining(explanation?.images ?? given.images), decodeOptions(options))
      : storedEmbeddings(String(options.from), await unlessInterrupted(clip.digest(), io));
    const counts = await writeResults(withNotes(classifier.rank(embedded, options), verbose, io), sink, {
      progress,
      io,
      failFast,
    }).catch(async (error) => {
      if (error instanceof ClosedPipe) await explanation?.draw(); // the reader of the rows has gone, the picture is a file
      throw error;
    });
    if (counts.failed === 0) await explanation?.draw();
    if (options.verbose && given && counts.ok > 0)
      say(io, 'note', `${clip.name} (${clip.dtype}) ran on ${await clip.provider()}`);
    return counts;
  });
}

/** Files that the output must not be. */
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
