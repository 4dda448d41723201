import { lstat, mkdir, readlink, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isAbsent } from '../disk/exists.ts';
import { messageOf, OutputError } from '../errors.ts';
import { openable, type Path } from '../inputs/path.ts';
import { cannotSort, removeIfEmpty } from './apply.ts';
import { type Entry, lockTarget, Manifest, manifestPath } from './manifest.ts';
import { compareAt } from './same-file.ts';
import { move, settleTransfer, temporaryName } from './transfer.ts';

/** A file that could not be moved back, and the reason. */
export interface NotUndone {
  readonly to: Path;
  readonly why: string;
}

/** The result of an undo. */
interface Undone {
  readonly undone: number;
  readonly left: readonly NotUndone[];
  /** The numbers of the damaged lines of the manifest. The files that they name stay. */
  readonly damaged: readonly number[];
}

/**
 * Undoes everything in the manifest of a folder, newest first: moved files are moved back, copies and links are removed. A file that
 * has changed since then is not touched, and is reported. The manifest is removed when everything is undone.
 *
 * @throws OutputError if the manifest cannot be read or written, or another run sorts into the folder
 */
export async function undo(target: Path): Promise<Undone> {
  const lock = await lockTarget(target).catch((error: unknown) => {
    if (isAbsent(error)) throw new OutputError(`there is no folder ${target}`, 'give the folder that was sorted into');
    throw cannotSort(target, error);
  });
  try {
    return await undoLocked(target);
  } finally {
    await lock.release();
  }
}

async function undoLocked(target: Path): Promise<Undone> {
  const manifest = await Manifest.open(target).catch((error: unknown) => {
    throw cannotSort(target, error);
  });
  const left: NotUndone[] = [];
  let undone = 0;
  try {
    for (const entry of [...manifest.entries].reverse()) {
      if (entry.state === 'void') continue;
      const state = entry.state === 'done' ? 'done' : await settleTransfer(target, entry, entry.id);
      const why = state === 'void' ? undefined : await putBack(target, entry).catch(messageOf);
      if (why !== undefined) left.push({ to: entry.to, why });
      else {
        await manifest.settle(entry.id, 'void').catch(() => {}); // on a full disk: undo can be run again
        if (state === 'done') undone++;
      }
    }
  } finally {
    await manifest.close();
  }
  const { damaged } = manifest;
  if (left.length + damaged.length === 0) await unlink(openable(manifestPath(target)));
  for (const folder of [...manifest.folders].reverse()) await removeIfEmpty(join(target, folder));
  return { undone, left, damaged };
}

/** @returns why a file cannot be moved back; undefined if it was moved back */
async function putBack(target: Path, entry: Entry): Promise<string | undefined> {
  const { operation, from } = entry;
  const to = join(target, entry.to);
  if (operation === 'symbolic') {
    const leadsTo = await readlink(openable(to)).catch(() => undefined);
    if (leadsTo === undefined) return (await isThere(to)) ? 'it is no longer a link' : undefined;
    if (leadsTo !== from) return 'the link leads elsewhere now';
    await unlink(openable(to));
    return undefined;
  }
  const state = await compareAt(to, entry);
  if (state === 'different') return 'it has changed since then';
  if (operation !== 'move') {
    if (state === 'identical') await unlink(openable(to));
    return undefined;
  }
  // An undo that was killed can leave its own second name for the file.
  const temporary = temporaryName(dirname(from), { to: '.' }, entry.id);
  await unlink(openable(temporary)).catch(() => {});
  const source = await compareAt(from, entry);
  if (state === 'free') return source === 'identical' ? undefined : 'it is gone';
  if (source === 'different') return `another file is at ${from} now`;
  if (source === 'identical') {
    await unlink(openable(to));
    return undefined;
  }
  await mkdir(openable(dirname(from)), { recursive: true });
  await move(to, from, entry, temporary);
  return undefined;
}

async function isThere(path: Path): Promise<boolean> {
  return lstat(openable(path)).then(
    () => true,
    () => false,
  );
}
