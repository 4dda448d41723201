import { type Command, InvalidArgumentError } from 'commander';
import type { Clip } from '../clip.ts';
import { UsageError } from '../errors.ts';
import type { Counts } from '../output/result-output.ts';
import type { ResultSink } from '../output/result-sink.ts';
import type { GivenImages } from './given-images.ts';
import { type Io, unlessInterrupted } from './io.ts';
import { say } from './messages.ts';
import type { ModelOptions } from './options/model-options.ts';
import { createProgress, type Progress } from './progress.ts';
import type { OpenedModel, Outcome } from './run-report.ts';

/** The options of every command that runs a model on images. */
export interface ImageRunOptions extends ModelOptions {
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly maxErrors?: MaxErrors;
  readonly failFast?: boolean;
}

/** How many images may fail: a number or a percentage. */
export type MaxErrors = { readonly count: number } | { readonly percent: number };

/** @throws InvalidArgumentError, for commander */
export function parseMaxErrors(text: string): MaxErrors {
  const [, number = '', sign] = /^(\d{1,9}(?:\.\d{1,6})?)(%?)$/u.exec(text) ?? [];
  if (sign === '%' && Number(number) <= 100) return { percent: Number(number) };
  if (sign === '' && /^\d+$/u.test(number)) return { count: Number(number) };
  throw new InvalidArgumentError('use a whole number, such as 10, or a share, such as 1%.');
}

/** Whether few enough images failed for exit code 0. */
export function isTolerated({ ok, failed }: Counts, maxErrors: MaxErrors = { count: 0 }): boolean {
  return 'count' in maxErrors ? failed <= maxErrors.count : failed * 100 <= maxErrors.percent * (ok + failed);
}

const MAX_ERRORS = 'exit with 0 if at most n images, or n % of them, fail; each still gets an error row';

/** Adds `--max-errors`. */
export function withMaxErrors(command: Command): Command {
  return command.option('--max-errors <n|n%>', MAX_ERRORS, parseMaxErrors);
}

/** What is known about the images before a run. Texts have neither a count nor skipped files. */
type Images = Pick<GivenImages, 'amount'> & Partial<Pick<GivenImages, 'count' | 'leftOut'>>;

/** Prints the warnings of a command, unless `--quiet` is given. */
export function warner({ quiet = false }: Pick<ImageRunOptions, 'quiet'>, io: Io): (message: string) => void {
  return (message) => {
    if (!quiet) say(io, 'warning', message);
  };
}

/** {@link runOn} the model that the options name, in this process. It is loaded when it is needed. */
export function runOnModel(
  images: Images,
  options: ImageRunOptions,
  onTerminal: boolean,
  io: Io,
  work: (clip: Clip, progress: Progress) => Promise<Counts>,
): Promise<number> {
  const open = async () => (await import('./open-model.ts')).openModel(options, images.amount, io);
  return runOn(open, images, options, onTerminal, io, work);
}

/**
 * The frame of every command that runs a model: opens the model and shows progress; after the work, prints the summary and
 * releases the model.
 *
 * @param onTerminal whether rows go to the terminal that shows the progress
 * @returns the exit code: 1 if an image failed
 */
export async function runOn<Model extends OpenedModel & { release(): Promise<void> }>(
  open: () => Promise<Model>,
  images: Images,
  options: Pick<ImageRunOptions, 'quiet' | 'verbose' | 'batch' | 'maxErrors' | 'failFast'>,
  onTerminal: boolean,
  io: Io,
  work: (model: Model, progress: Progress) => Promise<Counts>,
): Promise<number> {
  const { quiet = false, verbose = false, batch, maxErrors, failFast = false } = options;
  if (maxErrors !== undefined && failFast)
    throw new UsageError('--max-errors does not work with --fail-fast', 'remove one of them');
  const model = await open();
  try {
    const digest = io.report?.wantsDigest ? await unlessInterrupted(model.digest(), io) : undefined;
    io.report?.open(model, images.count !== undefined, digest);
    const progress = createProgress(io, quiet, batch, onTerminal);
    if (progress.wantsTotal) void images.count?.().then(progress.total, () => {});
    const { ok, failed } = await work(model, progress);
    const leftOut = images.leftOut?.summary();
    const skipped = images.leftOut?.otherFiles ?? 0;
    if (!quiet && leftOut !== undefined) say(io, 'note', leftOut);
    if (verbose && skipped > 0)
      say(io, 'note', `skipped ${skipped} ${skipped === 1 ? 'file' : 'files'}: not an image extension, or a device`);
    if (!quiet && ok + failed > 1) say(io, 'note', `${ok} ok, ${failed} failed`);
    return isTolerated({ ok, failed }, maxErrors) ? 0 : 1;
  } finally {
    await model.release();
  }
}

/**
 * Writes each result as soon as it is ready. The output is complete up to the last row, even if the run is ended early.
 *
 * @throws ClosedPipe, OutputError or Interruption; if there are two errors, the first, because it caused the second
 */
export async function writeResults<Result extends Outcome>(
  results: AsyncIterable<Result>,
  sink: ResultSink<Result>,
  {
    progress,
    io,
    failFast = false,
    onError = 'keep',
  }: {
    readonly progress: Progress;
    readonly io: Io;
    readonly failFast?: boolean;
    /** Whether finished rows are kept if the run is ended early. @default 'keep' */
    readonly onError?: 'keep' | 'discard';
  },
): Promise<Counts> {
  const rows = results[Symbol.asyncIterator]();
  const counts = { ok: 0, failed: 0 };
  const errors: unknown[] = [];
  let begun = false;
  try {
    for (;;) {
      const next = await unlessInterrupted(rows.next(), io);
      if (!begun) await sink.begin();
      begun = true;
      if (next.done) break;
      const { ok } = next.value;
      counts[ok ? 'ok' : 'failed']++;
      progress.makeRoom();
      await sink.add(next.value);
      progress.step(next.value);
      if (failFast && !ok) break;
    }
  } catch (error) {
    errors.push(error);
  }
  void rows.return?.().catch(() => {}); // ends the work in progress; it may be blocked, so this does not wait for it
  progress.end();
  if (begun && (errors.length === 0 || onError === 'keep')) {
    const kept = await sink.end().catch((error) => void errors.push(error));
    counts.ok += kept?.ok ?? 0;
    counts.failed += kept?.failed ?? 0;
    if (kept) io.report?.keep(kept);
  }
  await sink.close().catch((error) => void errors.push(error));
  if (errors.length > 0) throw errors[0];
  return counts;
}
