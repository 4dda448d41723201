import { randomUUID } from 'node:crypto';
import { link, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { kill, pid } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

/** How often a waiting process looks again, in milliseconds. */
const POLL_MS = 100;
/** How often the holder shows that it lives, and how long without such a sign its lock is a dead one's. */
const BEAT_MS = 2000;
const DEAD_MS = 20_000;
/** A lock file is written at once after it is made; one that says nothing for so long never will. */
const EMPTY_MS = 2000;

/**
 * Runs `work` while no other process that asks for the same lock does. A file holds the lock: it names its process, so
 * that a dead one's is taken at once, and is touched every two seconds, for those who cannot ask (another machine or
 * container). Python's tools lock with flock, which Node has not: what both write is therefore safe without any lock.
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  let release = await takeLock(path);
  for (; release === undefined; release = await takeLock(path)) await sleep(POLL_MS);
  try {
    return await work();
  } finally {
    await release();
  }
}

/**
 * Takes a lock as {@link withLock} does, for as long as this process wants.
 *
 * @returns what gives it back; undefined if another process holds it
 */
export async function takeLock(path: string): Promise<(() => Promise<void>) | undefined> {
  const holder = `${JSON.stringify({ pid, host: hostname(), id: randomUUID() })}\n`;
  if (!(await acquire(path, holder))) return undefined;
  const beat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, BEAT_MS);
  beat.unref();
  return async () => {
    clearInterval(beat);
    if ((await readFile(path, 'utf8').catch(() => '')) === holder) await rm(path, { force: true });
  };
}

/** Whether a process of this machine lives. */
export function isAlive(process: number): boolean {
  try {
    return kill(process, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'; // it is another user's
  }
}

/** @returns whether the lock is ours now; false where a living process holds it */
async function acquire(path: string, holder: string): Promise<boolean> {
  for (;;) {
    try {
      const handle = await open(path, 'wx', 0o600);
      await handle.writeFile(holder);
      await handle.close();
      return true;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    const other = await readFile(path, 'utf8').catch(() => undefined);
    const info = await stat(path).catch(() => undefined);
    if (other === undefined || info === undefined) continue; // it has just been released
    if (!isDead(other, Date.now() - info.mtimeMs)) return false;
    await evict(path, other);
  }
}

function isDead(holder: string, silentMs: number): boolean {
  const [, process, host] = /^\{"pid":(\d+),"host":("[^"]*")/u.exec(holder) ?? [];
  if (process === undefined) return silentMs > EMPTY_MS;
  return silentMs > DEAD_MS || (host === JSON.stringify(hostname()) && !isAlive(Number(process)));
}

/** Takes a dead process's lock away; a living one's, made in between, is put back. */
async function evict(path: string, dead: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
    if ((await readFile(aside, 'utf8')) !== dead) await link(aside, path);
  } catch {
    // another process was faster
  } finally {
    await rm(aside, { force: true });
  }
}
