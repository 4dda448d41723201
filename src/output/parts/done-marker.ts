import { rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { sha256OfFile, stampOf } from '../../disk/digest.ts';
import { readPlainFile, replaceOwnFile } from '../../disk/plain-file.ts';
import { throwCannotWrite } from '../../disk/whole-file.ts';
import type { Counts } from '../result-output.ts';
import { type RunSettings, requireSame } from '../run-settings.ts';

/** The input of a part as plain JSON. If it changes, the part is written again. */
export type PartInput = Readonly<Record<string, unknown>>;

/** The path of the done marker, next to the first file of a part. */
export const markerOf = (file: string) => `${file}.done.json`;

/** Schema version. It increases with a change that could break a reader. */
const SCHEMA = 1;

/**
 * Whether a part is done: its marker is valid, and neither its input nor its files have changed. A file is hashed again only if it was
 * touched.
 *
 * @param file the first file of the part
 * @returns the rows of the part, or undefined
 * @throws UsageError if it was made with other settings
 */
export async function doneBefore(
  file: string,
  input: PartInput,
  settings: RunSettings,
  onWarning: (message: string) => void,
): Promise<Counts | undefined> {
  const marker = parse(await readPlainFile(markerOf(file)).catch(() => ''));
  if (marker === undefined) return undefined;
  requireSame(file, marker.settings, settings, onWarning);
  if (!isDeepStrictEqual(marker.input, JSON.parse(JSON.stringify(input)))) return undefined;
  for (const record of marker.files)
    if (!(await isUnchanged(join(dirname(file), record.name), record))) return undefined;
  return { ok: marker.ok, failed: marker.failed };
}

/** Removes the marker before the part is written again. @throws OutputError */
export async function unmark(file: string): Promise<void> {
  await rm(markerOf(file), { force: true }).catch(throwCannotWrite(markerOf(file)));
}

/**
 * Writes the marker, whole or not at all.
 *
 * @param first the file that the marker is named after
 * @param files the files of the part; a part without rows may have none
 * @throws OutputError
 */
export async function markDone(
  first: string,
  files: readonly string[],
  { ok, failed }: Counts,
  input: PartInput,
  settings: RunSettings,
): Promise<void> {
  const folder = dirname(first);
  const described = [];
  for (const file of files) described.push(await describe(folder, file));
  const marker = { schema: SCHEMA, ok, failed, files: described, input, settings };
  const path = markerOf(first);
  await replaceOwnFile(path, `${JSON.stringify(marker, null, 2)}\n`, 0o666).catch(throwCannotWrite(path));
}

interface FileRecord {
  /** Relative to the folder of the first file. */
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
  /** The times of change and the inode. */
  readonly stamp: string;
}

async function isUnchanged(path: string, { size, sha256, stamp }: FileRecord): Promise<boolean> {
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile() || info.size !== size) return false;
  return (await stampOf(path)) === stamp || (await sha256OfFile(path)) === sha256;
}

async function describe(folder: string, file: string): Promise<FileRecord> {
  const name = file.startsWith(`${folder}/`)
    ? file.slice(folder.length + 1)
    : join('..', basename(dirname(file)), basename(file));
  const { size } = await stat(file);
  return { name, size, sha256: await sha256OfFile(file), stamp: await stampOf(file) };
}

interface Marker extends Counts {
  readonly files: readonly FileRecord[];
  readonly input: unknown;
  readonly settings: unknown;
}

/** @returns undefined if the text is not a marker of this version */
function parse(text: string): Marker | undefined {
  try {
    const { schema, ok, failed, files, input, settings } = Object(JSON.parse(text)) as Record<string, unknown>;
    if (schema !== SCHEMA || typeof ok !== 'number' || typeof failed !== 'number' || !Array.isArray(files))
      return undefined;
    const isWhole = files.every((one) => typeof Object(one).name === 'string' && typeof Object(one).size === 'number');
    return isWhole ? { ok, failed, files: files as FileRecord[], input, settings } : undefined;
  } catch {
    return undefined;
  }
}
