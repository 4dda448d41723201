import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256Of } from '../disk/digest.ts';
import { hasCode } from '../disk/exists.ts';
import { NotARegularFile, openPlainFile } from '../disk/plain-file.ts';
import { NotALock, type ProcessLock, takeLock } from '../disk/process-lock.ts';
import { messageOf, OutputError } from '../errors.ts';
import { openable, type Path } from '../inputs/path.ts';
import type { FileFacts } from './same-file.ts';

/** How a file is transferred. */
export const OPERATIONS = ['copy', 'move', 'hard', 'symbolic'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** One file that goes from one path to another. */
export interface Transfer extends FileFacts {
  readonly operation: Operation;
  /** Absolute. */
  readonly from: Path;
  /** Relative to the target folder. */
  readonly to: Path;
}

/** A transfer in the manifest, and its result. */
export interface Entry extends Transfer {
  readonly id: number;
  readonly state: 'intended' | 'done' | 'void';
}

const NAME = '.clip-classify-sort.jsonl';
const VERSION = 1;
const { O_RDWR, O_CREAT, O_APPEND, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = constants;
/** A link is not followed, because the manifest could then be written into another file. */
const FLAGS = O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK | O_NOFOLLOW;

export function manifestPath(target: Path): Path {
  return join(target, NAME);
}

/**
 * The record of all actions in a target folder, one JSON object per line. A line is on disk before its action, so after a crash the
 * state of each file follows from its line.
 */
export class Manifest {
  private constructor(
    private readonly file: FileHandle,
    private next: number,
    readonly folders: readonly Path[],
    readonly entries: readonly Entry[],
    /** The numbers of the lines that were changed by something else, such as a disk error. */
    readonly damaged: readonly number[],
  ) {}

  /** Opens the manifest of a folder, or begins one. @throws errors of node:fs; OutputError if the file is not a manifest */
  static async open(target: Path): Promise<Manifest> {
    const path = manifestPath(target);
    const file = await openPlainFile(openable(path), FLAGS, 0o644).catch(refuse(path));
    try {
      return await Manifest.read(file).catch(refuse(path));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  private static async read(file: FileHandle): Promise<Manifest> {
    const text = await file.readFile('utf8');
    const { entries, folders, damaged } = parse(text);
    if (text === '') await file.write(`${JSON.stringify({ version: VERSION })}\n`);
    else if (!text.endsWith('\n')) await file.write('\n'); // a partial line of a killed run
    return new Manifest(file, 1 + entries.reduce((most, { id }) => Math.max(most, id), 0), folders, entries, damaged);
  }

  /** Records an action before it happens. @returns its number */
  async intend(transfer: Transfer): Promise<number> {
    const id = this.next++;
    await this.write({ id, ...transfer });
    return id;
  }

  /** Records that a transfer is complete, or that it did not happen. */
  settle(id: number, state: 'done' | 'void'): Promise<void> {
    return this.write({ [state]: id });
  }

  /** Records a folder that this tool created, so that undo can remove it. */
  folderMade(folder: Path): Promise<void> {
    return this.write({ folder });
  }

  close(): Promise<void> {
    return this.file.close();
  }

  private async write(line: object): Promise<void> {
    await this.file.appendFile(`${JSON.stringify({ ...line, check: checkOf(line) })}\n`); // a plain write may be short
    await this.file.datasync();
  }
}

/** A handler for `catch`: what lies at the path is not a manifest. Errors of the system pass. */
function refuse(path: Path): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof TypeError || error instanceof NotARegularFile || hasCode(error, 'EISDIR'))) throw error;
    const why = error instanceof TypeError ? messageOf(error) : 'it is not a regular file';
    throw new OutputError(`${path} is no record of a sort: ${why}`, 'move it away, or use another folder', error);
  };
}

function parse(text: string): { entries: Entry[]; folders: Path[]; damaged: number[] } {
  const entries = new Map<number, Entry>();
  const folders: Path[] = [];
  const damaged: number[] = [];
  const [head = '', ...lines] = text.split('\n');
  if (text !== '' && Object(parseLine(head)).version !== VERSION)
    throw new TypeError(`its first line does not say version ${VERSION}`);
  for (const [n, line] of lines.entries()) {
    const value = parseLine(line);
    if (isDamaged(line, value)) {
      damaged.push(n + 2);
      continue;
    }
    const entry = toEntry(value);
    if (entry !== undefined) entries.set(entry.id, entry);
    if (typeof value['folder'] === 'string') folders.push(value['folder']);
    for (const state of ['done', 'void'] as const) {
      const known = entries.get(Number(value[state]));
      if (known !== undefined) entries.set(known.id, { ...known, state });
    }
  }
  return { entries: [...entries.values()], folders, damaged };
}

/** A digest of a line, because a changed line would lead undo to other files. */
function checkOf(line: object): string {
  return sha256Of(JSON.stringify(line)).slice(0, 8);
}

/** A partial line is the end of a killed run, and its action had not begun. */
function isDamaged(line: string, { check, ...rest }: Readonly<Record<string, unknown>>): boolean {
  if (!line.endsWith('}')) return false;
  return Object.keys(rest).length === 0 || (check !== undefined && check !== checkOf(rest));
}

/** The last line of a killed run may be partial. Its action had not begun. */
function parseLine(line: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(line)) as Readonly<Record<string, unknown>>;
  } catch {
    return {};
  }
}

function toEntry(value: Readonly<Record<string, unknown>>): Entry | undefined {
  const { id, operation, from, to, size, sha256 } = value;
  const known = OPERATIONS.find((one) => one === operation);
  if (typeof id !== 'number' || known === undefined || typeof from !== 'string' || typeof to !== 'string')
    return undefined;
  if (typeof size !== 'number' || typeof sha256 !== 'string' || isOutside(to)) return undefined;
  return { id, operation: known, from, to, size, sha256, state: 'intended' };
}

/** Refuses paths outside of the target, because an edited manifest must not lead undo to other files. */
function isOutside(to: Path): boolean {
  return to.startsWith('/') || to.split('/').includes('..');
}

/**
 * Locks a target folder, because only one run at a time may sort into it or undo a sort: both change the manifest.
 *
 * @throws OutputError if another run has the lock; errors of node:fs if the folder cannot be written
 */
export async function lockTarget(target: Path): Promise<ProcessLock> {
  const path = join(target, '.clip-classify-sort.lock');
  const lock = await takeLock(path).catch((error: unknown) => {
    if (error instanceof NotALock) throw new OutputError(error.message, 'remove it', error);
    throw error;
  });
  if (lock !== undefined) return lock;
  throw new OutputError(`another run is sorting into ${target}`, 'wait until it ends, or use another folder');
}
