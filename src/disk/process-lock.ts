import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, open, rename, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { CacheError } from '../errors.ts';
import { hasCode } from './exists.ts';
import { describeHolder, isOfThisBoot, parseHolder, stateOf } from './holder.ts';
import { kernelLock } from './kernel-lock.ts';

/** Milliseconds between checks of a waiting process: at first, and at most. */
const [FIRST_POLL_MS, LAST_POLL_MS] = [50, 1000];
/** How often the holder touches its file, and after how long without a touch the lock counts as abandoned. */
const BEAT_MS = 2000;
const SILENT_MS = 12_000;
/** A lock file that stays empty this long is abandoned. */
const EMPTY_MS = 2000;
/** After so many changes of the holder, the lock counts as busy. */
const MOST_TRIES = 20;
/** The most bytes of a lock file. */
const LONGEST = 4096;
const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;

/** A lock that this process holds. */
export interface ProcessLock {
  readonly path: string;
  /**
   * Whether the last holder may still live. It is on another machine, or in a container of a system without kernel locks, and did not
   * touch its lock. A process that was stopped there for a long time continues, and does not know that it lost the lock.
   */
  readonly seized: boolean;
  /** Whether this process still has the lock. A process that was stopped for long may have lost it. */
  isHeld(): Promise<boolean>;
  release(): Promise<void>;
}

/** The path of a lock leads to something else. */
export class NotALock extends Error {
  override readonly name = 'NotALock';

  constructor(readonly path: string) {
    super(`${path} is not a lock file`);
  }
}

/**
 * Runs `work` while this process has the lock.
 *
 * @throws CacheError if the path of the lock leads to something else
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    let lock = await takeLock(path);
    for (let pause = FIRST_POLL_MS; lock === undefined; pause = Math.min(2 * pause, LAST_POLL_MS)) {
      await sleep(pause);
      lock = await takeLock(path);
    }
    try {
      return await work();
    } finally {
      await lock.release();
    }
  } catch (error) {
    if (error instanceof NotALock) throw new CacheError(error.message, 'remove it', error);
    throw error;
  }
}

/**
 * Takes a lock until it is released.
 *
 * The lock is a file that names its holder. There are three ways to find out whether the holder still lives:
 *
 * 1. The holder keeps the file open and locked in the kernel. The kernel frees the lock when the process dies, and not while it is only
 *    stopped. Containers, clocks and pids do not matter.
 * 2. If the system has no kernel locks, the process is checked by its pid, start, boot and namespace.
 * 3. If the process cannot be checked, such as on another machine, it lives as long as it touches the file. A waiting process compares
 *    two states of the file, never two clocks.
 *
 * Python's tools lock other files with flock. Files that both write are safe without a lock.
 *
 * @returns undefined if another process holds it
 * @throws NotALock if something else lies there
 */
export async function takeLock(path: string): Promise<ProcessLock | undefined> {
  let seized = false;
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const lock = await create(path, seized);
    if (lock !== undefined) return lock;
    const other = await examine(path);
    if (other === 'held') return undefined;
    seized ||= other === 'silent';
    await sleep(FIRST_POLL_MS * Math.random());
  }
  return undefined;
}

/** @returns undefined if the file exists, or another process locked it first */
async function create(path: string, seized: boolean): Promise<ProcessLock | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, O_RDWR | O_CREAT | O_EXCL, 0o600);
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return undefined;
    throw error;
  }
  try {
    const kernel = await kernelLock(file);
    const text = `${JSON.stringify(await describeHolder(kernel === 'held'))}\n`;
    if (kernel !== 'busy') await file.writeFile(text);
    const isHeld = async () => (await isAt(path, file)) || (await textAt(path)) === text;
    if (kernel !== 'busy' && (await isHeld())) return keep(path, file, seized, isHeld);
  } catch (error) {
    await file.close();
    await rm(path, { force: true });
    throw error;
  }
  await file.close();
  return undefined;
}

function keep(path: string, file: FileHandle, seized: boolean, isHeld: () => Promise<boolean>): ProcessLock {
  const beat = setInterval(() => {
    const now = new Date();
    file.utimes(now, now).catch(() => {});
  }, BEAT_MS);
  beat.unref();
  return {
    path,
    seized,
    isHeld,
    async release() {
      clearInterval(beat);
      if (await isHeld()) await rm(path, { force: true });
      await file.close();
    },
  };
}

/** Checks an existing lock file. The file of a free lock is removed. */
async function examine(path: string): Promise<'held' | 'free' | 'silent'> {
  let file: FileHandle;
  try {
    file = await open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 'free';
    if (hasCode(error, 'ELOOP', 'EISDIR', 'ENXIO', 'EMLINK')) throw new NotALock(path);
    throw error;
  }
  try {
    if (!(await file.stat()).isFile()) throw new NotALock(path);
    const kernel = await kernelLock(file);
    if (kernel === 'busy') return 'held';
    const state = await judge(path, file, kernel === 'held');
    if (state !== 'held') await evict(path, file);
    return state;
  } finally {
    await file.close();
  }
}

/** @param locked whether the kernel gave its lock to this process */
async function judge(path: string, file: FileHandle, locked: boolean): Promise<'held' | 'free' | 'silent'> {
  const holder = parseHolder(await textOf(file));
  if (holder === undefined) return (await changesWithin(path, EMPTY_MS)) ? 'held' : 'free';
  if (locked && holder.kernel && (await isOfThisBoot(holder))) return 'free';
  const state = await stateOf(holder);
  if (state !== 'unknown') return state === 'alive' ? 'held' : 'free';
  return (await changesWithin(path, SILENT_MS)) ? 'held' : 'silent';
}

/** Watches a file for a time. @returns whether it is touched, written or replaced */
async function changesWithin(path: string, time: number): Promise<boolean> {
  const before = await traceOf(path);
  for (const start = performance.now(); performance.now() - start < time; await sleep(4 * FIRST_POLL_MS))
    if ((await traceOf(path)) !== before) return true;
  return false;
}

/** The file is opened again each time, so that a network file system asks its server. */
async function traceOf(path: string): Promise<string> {
  const info = await stat(path, { bigint: true }).catch(() => undefined);
  return `${info?.ino} ${info?.mtimeNs} ${await textAt(path)}`;
}

/** The text of a lock file. @returns '' if it cannot be read */
export async function textAt(path: string): Promise<string> {
  const file = await open(path, O_RDONLY | O_NONBLOCK).catch(() => undefined);
  if (file === undefined) return '';
  return textOf(file)
    .catch(() => '')
    .finally(() => file.close());
}

/** A file that is no lock may be of any size. */
async function textOf(file: FileHandle): Promise<string> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(LONGEST), 0, LONGEST, 0);
  return buffer.toString('utf8', 0, bytesRead);
}

/** Removes the file of a free lock. A new file that was created in between is restored. */
async function evict(path: string, file: FileHandle): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
    if (!(await isAt(aside, file))) await link(aside, path);
  } catch {
    // another process was faster
  } finally {
    await rm(aside, { force: true });
  }
}

/** Whether the path still leads to this open file. */
export async function isAt(path: string, file: FileHandle): Promise<boolean> {
  const [there, open] = await Promise.all([
    stat(path, { bigint: true }).catch(() => undefined),
    file.stat({ bigint: true }),
  ]);
  return there?.ino === open.ino && there.dev === open.dev;
}
