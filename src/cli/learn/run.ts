import { UsageError } from '../../errors.ts';
import { sameFolder } from '../../inputs/images.ts';
import { LeftOut } from '../../inputs/left-out.ts';
import type { Path } from '../../inputs/path.ts';
import { readLearned, writeLearned } from '../../learn/file.ts';
import { type Lesson, learnEmbedded, withoutClasses } from '../../learn/learn.ts';
import type { Learned } from '../../learn/learned.ts';
import { lessonJson, lessonText, warningsOf } from '../../output/lesson.ts';
import { OutputLock } from '../../output/output-lock.ts';
import { checkWritable } from '../../output/result-output.ts';
import { Sink } from '../../output/sink.ts';
import { openTruth, type Truth, withoutClass } from '../eval/truth.ts';
import type { LabelledImage } from '../eval/truth-csv.ts';
import { type ImageRunOptions, runOnModel, warner } from '../image-run.ts';
import { type Io, unlessInterrupted } from '../io.ts';
import type { WalkOptions } from '../options/input-options.ts';
import { isLearnedFile } from '../options/label-options.ts';
import { decodeOptions } from '../options/model-options.ts';
import { withProgress } from '../progress.ts';
import { exportGraph, requireExports } from './export.ts';

export interface LearnCommandOptions extends WalkOptions, ImageRunOptions {
  readonly text: boolean;
  readonly force?: boolean;
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
  readonly template?: readonly string[];
  readonly output?: string;
  readonly export?: readonly string[];
  readonly format: 'text' | 'json';
}

/** @returns the exit code */
export async function runLearn(source: string, options: LearnCommandOptions, io: Io): Promise<number> {
  const output = checkUsage(source, options);
  // Taken before the classifier is read, because another run may be adding images to it.
  const lock = output === undefined ? undefined : await OutputLock.take(output);
  try {
    return await learnFrom(source, output, options, io);
  } finally {
    await lock?.release();
  }
}

async function learnFrom(
  source: string,
  output: string | undefined,
  options: LearnCommandOptions,
  io: Io,
): Promise<number> {
  const warn = warner(options, io);
  const onto = isLearnedFile(source) ? await changed(source, options) : undefined;
  const sources = onto === undefined ? [source] : (options.add ?? []);
  const left = { beside: 0 };
  const leftOut = new LeftOut();
  const { hidden, follow, exclude } = options;
  const onLoop = (path: Path, before: Path) => warn(sameFolder(path, before));
  const walk = { hidden, follow, exclude, leftOut, onLoop };
  const truths = await Promise.all(
    sources.map((one) => openTruth(one, walk, {}, { onNoClass: () => left.beside++, warn })),
  );
  if (output !== undefined) await checkWritable(output);

  const images = {
    amount: truths.length === 0 ? 'one' : 'many',
    count: () => countAll(truths),
    leftOut,
  } as const;
  return runOnModel(images, options, false, io, async (clip, progress) => {
    const waiting: LabelledImage[] = [];
    async function* sourcesOf() {
      for (const truth of truths)
        for await (const image of truth.images()) {
          waiting.push(image);
          yield image.source;
        }
    }
    const embedded = withProgress(clip.encodeImages(sourcesOf(), decodeOptions(options)), progress);
    async function* examples() {
      for await (const one of embedded) {
        const { label } = waiting.shift() as LabelledImage; // results come in order, one for each image
        yield { embedded: one, label };
      }
    }
    const lesson =
      onto !== undefined && truths.length === 0
        ? undefined
        : await unlessInterrupted(
            learnEmbedded(clip, examples(), {
              words: options.text,
              labels: truths.flatMap(({ labels }) => labels),
              ...(options.template && { templates: options.template }),
              ...(onto && { onto }),
            }),
            io,
          );
    const learned = lesson?.learned ?? (onto as Learned); // without examples, a classifier is changed
    if (lesson !== undefined) report(lesson, options, warn);
    if (output !== undefined) await writeLearned(learned, output);
    for (const file of options.export ?? []) await exportGraph(file, learned, clip);
    const written = [...(output === undefined ? [] : [output]), ...(options.export ?? [])];
    const text =
      options.format === 'json' ? lessonJson(learned, lesson, written) : lessonText(learned, lesson, written);
    await new Sink(io.stdout, 'standard output').write(text);
    if (left.beside > 0) warn(withoutClass(left.beside));
    return { ok: lesson?.images ?? 0, failed: lesson?.failures.length ?? 0 };
  });
}

/** The classifier of a file, without the removed classes. */
async function changed(file: string, { remove = [] }: LearnCommandOptions): Promise<Learned> {
  return withoutClasses(await readLearned(file), remove);
}

/** @throws UsageError if learning does not help, unless --force is given */
function report(lesson: Lesson, { force = false }: LearnCommandOptions, warn: (message: string) => void): void {
  for (const warning of warningsOf(lesson)) warn(warning);
  if (lesson.leftOut === null || lesson.leftOut.helps) return;
  const { zeroShot, learned, pictures } = lesson.leftOut;
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  const fact = `learning does not help: words alone are right for ${percent(zeroShot.accuracy)} of ${pictures} images, the learned classifier for ${percent(learned.accuracy)} (leave-one-out)`;
  if (!force) throw new UsageError(fact, 'use the labels alone, add images, or add --force to write the file');
  warn(fact);
}

/** @returns the file to write, if there is one */
function checkUsage(source: string, options: LearnCommandOptions): string | undefined {
  const { add = [], remove = [], export: exports = [], text, template } = options;
  const isChange = isLearnedFile(source);
  if (!isChange && add.length + remove.length > 0)
    throw new UsageError(
      `--add and --remove change a classifier, and ${source} is not a .clf.json file`,
      'put the classifier first: clip-classify learn kinds.clf.json --add more/',
    );
  if (isChange && template !== undefined) throw new UsageError(`${source} has its own templates`, 'remove --template');
  if (isChange && !text && add.length === 0)
    throw new UsageError('--no-text changes how images are learned', 'add images with --add, or remove --no-text');
  const output = options.output ?? (isChange && add.length + remove.length > 0 ? source : undefined);
  if (output === undefined && exports.length === 0)
    throw new UsageError('learn needs a file to write to', 'add --output kinds.clf.json');
  if (output !== undefined && !isLearnedFile(output))
    throw new UsageError(`${output} does not end in .clf.json`, `use ${output.replace(/\.json$/iu, '')}.clf.json`);
  requireExports(exports);
  return output;
}

async function countAll(truths: readonly Truth[]): Promise<number | undefined> {
  let total = 0;
  for (const truth of truths) {
    const count = await truth.count();
    if (count === undefined) return undefined;
    total += count;
  }
  return total;
}
