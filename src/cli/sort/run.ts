import { realpath } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { createClassifier } from '../../classifier.ts';
import { UsageError } from '../../errors.ts';
import { type ImageSource, sourceOfIdentity } from '../../image/source.ts';
import { filePathOf, openable, type Path } from '../../inputs/path.ts';
import { isPassedBytes } from '../../inputs/stdin.ts';
import { toJson } from '../../output/json.ts';
import { Sink } from '../../output/sink.ts';
import { planLines, planTable, stepRow } from '../../output/sorting.ts';
import { claimTarget, requireRoom, Sorter, type Target } from '../../sorting/apply.ts';
import { folderNameOf, NO_LABEL } from '../../sorting/folder-name.ts';
import { manifestPath, type Operation } from '../../sorting/manifest.ts';
import { type Labelled, planSteps, type Step } from '../../sorting/plan.ts';
import { undo } from '../../sorting/undo.ts';
import { checkLabels, type Label } from '../../text/labels.ts';
import { type GivenImages, givenImages } from '../given-images.ts';
import { type ImageRunOptions, runOnModel, warner } from '../image-run.ts';
import { Interruption, type Io, unlessInterrupted } from '../io.ts';
import { say } from '../messages.ts';
import { type InputOptions, refuseImages } from '../options/input-options.ts';
import { classifierOptions, givenLabels, type LabelOptions, type ScoreOptions } from '../options/label-options.ts';
import { givenLearned } from '../options/learned-option.ts';
import { decodeOptions } from '../options/model-options.ts';
import { createProgress, withProgress } from '../progress.ts';
import { type Row, readRows } from './labelled.ts';

export interface SortOptions extends InputOptions, LabelOptions, Omit<ScoreOptions, 'multiLabel'>, ImageRunOptions {
  readonly to?: string;
  readonly apply?: boolean;
  readonly copy?: boolean;
  readonly move?: boolean;
  readonly link?: 'hard' | 'symbolic';
  readonly leave?: boolean;
  readonly from?: string;
  readonly undo?: string;
  readonly format?: 'table' | 'jsonl';
}

/** @returns the exit code: 1 if a picture failed or could not be put back */
export async function runSort(args: readonly string[], options: SortOptions, io: Io): Promise<number> {
  if (options.undo !== undefined) return runUndo(resolve(options.undo), args, options, io);
  if (options.to === undefined) throw new UsageError('the target folder is missing', 'add --to <folder>');
  if (options.to.trim() === '') throw new UsageError('--to is empty', 'give the name of a folder');
  const target = resolve(options.to);
  const operation = operationOf(options);
  if (!options.apply) {
    const { steps, failed } = await plannedSteps(args, target, operation, options, io);
    return print(steps, failed, options, io);
  }
  const claimed = await claimTarget(target);
  try {
    const { steps, failed } = await plannedSteps(args, target, operation, options, io);
    return await apply(steps, claimed, failed, options, io);
  } finally {
    await claimed.release();
  }
}

/** What would go where, and how many pictures failed. */
async function plannedSteps(
  args: readonly string[],
  target: Path,
  operation: Operation,
  options: SortOptions,
  io: Io,
): Promise<{ readonly steps: readonly Step[]; readonly failed: number }> {
  const { rows, labels } = await labelledRows(args, target, options, io);
  const failed = rows.filter(({ label }) => label === undefined).length;
  const pictures = rows.flatMap(({ image, label }): Labelled[] =>
    label === undefined ? [] : [{ path: resolve(image), label }],
  );
  for (const label of labels)
    if (folderNameOf(label) !== label)
      warner(options, io)(`the folder of "${label}" is called ${folderNameOf(label)}, because labels cannot be paths`);
  const steps: Step[] = [];
  const plan = planSteps(pictures, { target, operation, leave: options.leave ?? false, labels });
  await unlessInterrupted(collect(plan, steps), io);
  return { steps, failed };
}

async function collect(plan: AsyncGenerator<Step>, steps: Step[]): Promise<void> {
  for await (const step of plan) steps.push(step);
}

async function print(steps: readonly Step[], failed: number, options: SortOptions, io: Io): Promise<number> {
  const text = formatOf(options, io) === 'table' ? planTable(steps) : planLines(steps);
  await new Sink(io.stdout, 'standard output').write(text);
  if (!options.quiet) say(io, 'note', 'This is a plan. Nothing was changed; add --apply to carry it out.');
  return failed > 0 ? 1 : 0;
}

function formatOf({ format }: SortOptions, io: Io): 'table' | 'jsonl' {
  return format ?? (io.stdout.isTTY === true ? 'table' : 'jsonl');
}

/** Carries out the plan. An interruption ends it between two files. */
async function apply(
  steps: readonly Step[],
  claimed: Target,
  failedImages: number,
  options: SortOptions,
  io: Io,
): Promise<number> {
  const counts = { done: 0, skipped: 0, stayed: 0, failed: failedImages };
  const transfers = steps.flatMap((step) => (step.kind === 'transfer' ? [step.transfer] : []));
  await requireRoom(claimed.target, transfers);
  const sorter = await Sorter.open(claimed);
  const progress = createProgress(
    { stderr: io.stderr, env: io.env, ...(io.log && { log: io.log }) },
    options.quiet ?? false,
    20,
    false,
  );
  progress.total(steps.length);
  const sink = new Sink(io.stdout, 'standard output');
  try {
    for (const step of steps) {
      if (io.interruption.aborted) throw new Interruption(io.interruption);
      const outcome = await sorter.apply(step);
      counts[outcome.state]++;
      if (outcome.state === 'failed') {
        progress.makeRoom();
        say(io, 'error', `${'transfer' in step ? step.transfer.from : ''}: ${outcome.why}`);
      }
      if (formatOf(options, io) === 'jsonl')
        await sink.write(`${toJson({ ...stepRow(step), state: outcome.state })}\n`);
      progress.step({ ok: true });
    }
  } finally {
    progress.end();
    await sorter.close();
    if (!options.quiet) {
      const { done, skipped, stayed, failed } = counts;
      say(io, 'note', `${done} sorted, ${skipped} skipped (identical), ${stayed} left, ${failed} failed`);
      if (done > 0) say(io, 'note', `To put everything back: clip-classify sort --undo ${options.to}`);
    }
  }
  return counts.failed > 0 ? 1 : 0;
}

async function runUndo(target: Path, args: readonly string[], options: SortOptions, io: Io): Promise<number> {
  if (args.length > 0 || options.to !== undefined || options.apply)
    throw new UsageError('--undo needs no images, --to or --apply', 'use clip-classify sort --undo <folder>');
  const { undone, left, damaged } = await undo(target);
  for (const { to, why } of left) say(io, 'error', `${join(target, to)} was not put back: ${why}`);
  for (const line of damaged)
    say(io, 'error', `line ${line} of ${manifestPath(target)} is damaged, so the file that it names stays where it is`);
  const hasNothing = undone + left.length + damaged.length === 0;
  const note = hasNothing
    ? `nothing to put back: ${target} has no record of a sort`
    : `${undone} put back, ${left.length} left`;
  if (!options.quiet) say(io, 'note', note);
  return left.length + damaged.length > 0 ? 1 : 0;
}

/** The pictures and their labels, from a model or from the rows of an earlier run. */
async function labelledRows(
  args: readonly string[],
  target: Path,
  options: SortOptions,
  io: Io,
): Promise<{ readonly rows: readonly Row[]; readonly labels: readonly string[] }> {
  const { from } = options;
  if (from === undefined) return classifiedRows(args, target, options, io);
  refuseImages(args, options, `--from ${from}`);
  refuseScoring(options, from);
  const rows = await readRows(from);
  return { rows, labels: [...new Set(rows.flatMap(({ label }) => (typeof label === 'string' ? [label] : [])))] };
}

/** @throws UsageError if an option would choose labels, which the rows already have */
function refuseScoring(options: SortOptions, from: string): void {
  const flags = {
    labels: '--labels',
    labelsFile: '--labels-file',
    template: '--template',
    about: '--about',
    level: '--level',
    threshold: '--threshold',
    minMargin: '--min-margin',
    background: '--background',
    backgroundPrompt: '--background-prompt',
    nonePrompt: '--none-prompt',
  } as const satisfies Partial<Record<keyof SortOptions, string>>;
  const given = (Object.keys(flags) as (keyof typeof flags)[]).find((name) => options[name] !== undefined);
  if (given !== undefined)
    throw new UsageError(
      `${flags[given]} chooses labels, and the rows of ${from} have labels already`,
      `remove ${flags[given]}, or remove --from and give the images`,
    );
}

async function classifiedRows(args: readonly string[], target: Path, options: SortOptions, io: Io) {
  const learned = await givenLearned(options);
  const labels = learned?.labels ?? checkLabels(await givenLabels(options));
  const warn = warner(options, io);
  const given = await givenImages(args, options, io, warn);
  const rows: Row[] = [];
  try {
    await runOnModel(given, options, false, io, async (clip, progress) => {
      const classifier = await unlessInterrupted(
        createClassifier(clip, learned ?? labels, { ...classifierOptions(options), onWarning: warn }),
        io,
      );
      const results = classifier.classify(unsorted(given, await realTarget(target), labels), {
        ...decodeOptions(options),
        top: 1,
      });
      const read = async () => {
        for await (const result of withProgress(results, progress)) {
          if (!result.ok) say(io, 'error', result.error.message, { code: result.error.code });
          const source = sourceOfIdentity(result);
          const isFile = source.kind === 'file' && !isPassedBytes(result.image);
          if (result.ok && !isFile)
            say(io, 'error', `${result.image} is not a file that can be sorted; give the path of a file`);
          rows.push({ image: filePathOf(source), label: result.ok && isFile ? result.label : undefined });
        }
      };
      await unlessInterrupted(read(), io);
      return {
        ok: rows.filter(({ label }) => label !== undefined).length,
        failed: rows.filter(({ label }) => label === undefined).length,
      };
    });
  } finally {
    given.stop();
  }
  return { rows, labels: labels.map(({ label }) => label) };
}

/**
 * The images without those that were sorted before. A target inside a given folder is skipped. If the target is the given folder
 * (`sort photos/ --to photos/`), only the folders of the labels are skipped.
 */
async function* unsorted(
  { args, images }: GivenImages,
  target: Path,
  labels: readonly Label[],
): AsyncGenerator<ImageSource> {
  const given = await Promise.all(args.map((path) => realTarget(resolve(path))));
  const isInside = given.some((folder) => folder !== target && isWithin(target, folder));
  const sorted = [NO_LABEL, ...labels.map(({ label }) => folderNameOf(label))].map((name) => join(target, name));
  for await (const image of images) {
    const path = resolve(filePathOf(image));
    const folder = await realpath(openable(dirname(path))).catch(() => dirname(path));
    const isSorted = isInside ? isWithin(folder, target) : sorted.some((one) => isWithin(folder, one));
    if (!isSorted || image.kind === 'url') yield image;
  }
}

function isWithin(path: Path, folder: Path): boolean {
  return `${path}/`.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

/** The target with links resolved, as far as it exists. */
async function realTarget(target: Path): Promise<Path> {
  return realpath(openable(target)).catch(() => target);
}

function operationOf({ copy, move, link }: SortOptions): Operation {
  if ([copy, move, link].filter((one) => one !== undefined).length > 1)
    throw new UsageError('--copy, --move and --link exclude each other', 'keep one of them');
  return move ? 'move' : (link ?? 'copy');
}
