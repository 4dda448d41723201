import { mkdir } from 'node:fs/promises';
import { throwCannotWrite } from '../../disk/whole-file.ts';
import type { ImageSource } from '../../image/source.ts';
import { PASSING } from '../../output/image-identity.ts';
import { doneBefore, markDone, unmark } from '../../output/parts/done-marker.ts';
import type { Counts } from '../../output/result-output.ts';
import type { ResultSink } from '../../output/result-sink.ts';
import type { RunSettings } from '../../output/run-settings.ts';
import { writeResults } from '../image-run.ts';
import { type Io, unlessInterrupted } from '../io.ts';
import { say } from '../messages.ts';
import type { Progress } from '../progress.ts';
import type { Outcome } from '../run-report.ts';
import type { Part } from './plan.ts';

/** The files of a part, and their sink. */
export interface PartOutput<Result> {
  /** The file that the done marker is named after. */
  readonly first: string;
  /** The files that were written. */
  readonly files: () => readonly string[];
  readonly sink: () => Promise<ResultSink<Result>>;
}

/** Errors of an image after which its part is tried again, and what they mean. */
const AGAIN = PASSING.filter((code) => code !== 'E_URL');
const WHY = 'timed out, crashed or was unreadable';

/** How a part is written. */
export interface PartWork<Result> {
  readonly settings: RunSettings;
  readonly outputOf: (part: Part) => PartOutput<Result>;
  readonly results: (images: AsyncIterable<ImageSource>) => AsyncIterable<Result>;
}

/**
 * Writes one part after the other, each whole or not at all. Parts with a done marker are skipped. The marker is written last, so a
 * part that was interrupted is written again by the next run.
 *
 * A part of a damaged tar, and a part with an image that timed out, crashed or could not be read, has its rows, but no marker: the next
 * run tries again. Addresses that fail do not count, because in large lists some always fail.
 *
 * @param folders folders to create if they are missing
 * @returns the rows of all parts, including those that were done before
 */
export async function writeParts<Result extends Outcome>(
  parts: AsyncIterable<Part>,
  work: PartWork<Result>,
  folders: readonly string[],
  { progress, io, quiet, warn }: { progress: Progress; io: Io; quiet: boolean; warn: (message: string) => void },
): Promise<Counts> {
  for (const folder of folders) await mkdir(folder, { recursive: true }).catch(throwCannotWrite(folder));
  const counts = { ok: 0, failed: 0 };
  const found = { written: 0, skipped: 0, damaged: 0, passing: 0 };
  const all = parts[Symbol.asyncIterator]();
  for (let next = await unlessInterrupted(all.next(), io); !next.done; next = await unlessInterrupted(all.next(), io)) {
    const part = next.value;
    const output = work.outputOf(part);
    const { first } = output;
    const before = await doneBefore(first, part.input, work.settings, warn);
    if (before !== undefined) {
      found.skipped++;
      io.report?.keep(before);
      add(counts, before);
      continue;
    }
    await unmark(first);
    const state = { isDamaged: false, mayPass: false };
    const results = noted(work.results(watched(part.images(), state)), state);
    const written = await writeResults(results, await output.sink(), { progress, io, onError: 'discard' });
    if (state.isDamaged) found.damaged++;
    else if (state.mayPass) found.passing++;
    else await markDone(first, output.files(), written, part.input, work.settings);
    found.written++;
    add(counts, written);
  }
  const { written, skipped, damaged, passing } = found;
  const tars = damaged === 1 ? 'a missing or damaged tar' : 'missing or damaged tars';
  const replace = damaged === 0 ? '' : `; ${damaged} not done (${tars}): replace and run the command again`;
  const repeat = passing === 0 ? '' : `; ${passing} not done (an image ${WHY}): run the command again`;
  if (!quiet) say(io, 'note', `${parted(written)} written, ${skipped} done before${replace}${repeat}`);
  return counts;
}

function parted(count: number): string {
  return count === 1 ? '1 part' : `${count} parts`;
}

function add(counts: { ok: number; failed: number }, { ok, failed }: Counts): void {
  counts.ok += ok;
  counts.failed += failed;
}

/** The same results. Notices an image that may not fail again. */
async function* noted<Result extends Outcome>(
  results: AsyncIterable<Result>,
  state: { mayPass: boolean },
): AsyncGenerator<Result> {
  for await (const result of results) {
    state.mayPass ||= !result.ok && AGAIN.includes(result.error.code);
    yield result;
  }
}

/** The same images. Notices an error row of a tar that cannot be read to its end. */
async function* watched(
  images: AsyncIterable<ImageSource>,
  state: { isDamaged: boolean },
): AsyncGenerator<ImageSource> {
  for await (const image of images) {
    if ('member' in image && image.member?.isArchive) state.isDamaged = true;
    yield image;
  }
}
