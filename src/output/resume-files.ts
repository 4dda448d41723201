import { readPlainFile, replaceOwnFile } from '../disk/plain-file.ts';
import { messageOf, OutputError, UsageError } from '../errors.ts';
import type { FileOutput } from './file-output.ts';
import { Journal, type JournalRow } from './journal.ts';
import type { RunSettings } from './run-settings.ts';
import { WrittenRows } from './written-rows.ts';

/** The longest head of a CSV, in bytes. */
const LONGEST_HEAD = 1 << 20;

export const settingsFile = (path: string) => `${path}.run.json`;
export const journalFile = (path: string) => `${path}.run.rows`;

/** @returns undefined if there is no journal @throws UsageError if the file is not a journal */
export async function openJournal(given: string, path: string): Promise<Journal | undefined> {
  return Journal.open(journalFile(path)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw notResumable(given, `its journal cannot be used: ${messageOf(error)}`, error);
  });
}

/**
 * Whether a journal describes the rows of an output.
 *
 * @throws UsageError if the output begins with other bytes than the journal says: it is another file, which is kept
 */
export async function describes(journal: Journal, file: FileOutput, given: string): Promise<boolean> {
  const written = new WrittenRows(file);
  const rows = journal.rows(file.size);
  const [head, first] = [await nextOf(rows), await nextOf(rows)];
  if (head === undefined) return false;
  for (const row of first === undefined ? [head] : [head, first])
    if ((await written.read(row)) === undefined)
      throw notResumable(
        given,
        'its first row is not the one that was written: somebody has changed or replaced the file',
      );
  return true;
}

/** Whether an output has at least one row after its head. */
export async function hasRow({ handle, size }: FileOutput, headLines: number): Promise<boolean> {
  const start = Buffer.alloc(Math.min(size, LONGEST_HEAD));
  await handle.read(start, 0, start.length, 0);
  return size > LONGEST_HEAD || start.filter((byte) => byte === 10).length > headLines;
}

export async function readSettings(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readPlainFile(settingsFile(path)));
  } catch (error) {
    throw notResumable(
      path,
      `its settings file ${settingsFile(path)} is missing or damaged (${messageOf(error)})`,
      error,
    );
  }
}

export function writeSettings(path: string, settings: RunSettings): Promise<void> {
  return replaceOwnFile(settingsFile(path), `${JSON.stringify(settings, null, 2)}\n`, 0o666);
}

export async function nextOf(rows: AsyncGenerator<JournalRow> | undefined): Promise<JournalRow | undefined> {
  const next = await rows?.next();
  return next?.done === false ? next.value : undefined;
}

export function notResumable(path: string, why: string, cause?: unknown): UsageError {
  return new UsageError(`cannot resume ${path}: ${why}`, 'remove --resume to start again, or use another file', cause);
}

export function cannotWriteBeside(path: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof OutputError) throw error;
    const fact = `cannot write the files for --resume next to ${path}: ${messageOf(error)}`;
    throw new OutputError(fact, 'check the permissions of the folder and the free space', error);
  };
}
