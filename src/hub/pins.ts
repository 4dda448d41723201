import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { inCache, makeFolder, replaceFile } from '../disk/cache-files.ts';
import { cacheFolder, type Env } from '../disk/environment.ts';
import { withLock } from '../disk/process-lock.ts';
import { CacheError, messageOf } from '../errors.ts';
import { isCommit, isSafePath } from './names.ts';
import { findCard } from './registry.ts';
import type { Layout } from './sources.ts';

/** One file, as it was when it was pulled. */
export interface PinnedFile {
  /** bytes */
  readonly size: number;
  readonly sha256: string;
  /** The name of the blob: the hub's own digest. */
  readonly blob: string;
  /** Of the file when its sha256 was last seen right: while it stays, the file is not hashed again before it is used. */
  readonly stamp: string;
}

/** A pulled model: what it was then is what it must be. */
export interface Pin {
  readonly repo: string;
  /** What was asked for: a branch, a tag or a commit. */
  readonly revision: string;
  readonly commit: string;
  readonly layout: Layout;
  /** The hub's cache that it lies in. */
  readonly cache: string;
  readonly files: Readonly<Record<string, PinnedFile>>;
}

/** Pulled models by name. */
export type Pins = ReadonlyMap<string, Pin>;

const VERSION = 1;

/**
 * The lock file, `hub.lock.json` in this tool's own cache: every pulled model with its commit and digests.
 *
 * @throws CacheError if it is there and cannot be read
 */
export async function readPins(env?: Env): Promise<Pins> {
  const path = pinsFile(env);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    return new Map(); // nothing has been pulled, or nothing can be known of it
  }
  try {
    const { version, models } = JSON.parse(text) as { version?: unknown; models?: Record<string, Pin> };
    if (version !== VERSION || typeof models !== 'object') throw new TypeError(`version ${version} is not supported`);
    const pins = Object.entries(models);
    for (const [name, pin] of pins) checkPin(name, pin);
    return new Map(pins);
  } catch (error) {
    throw new CacheError(
      `${path} is damaged: ${messageOf(error)}`,
      'delete the file and pull the models again; cached files are not downloaded again',
      error,
    );
  }
}

/** Changes the lock file, after all other processes that do. */
export async function updatePins(env: Env | undefined, change: (pins: Map<string, Pin>) => void): Promise<void> {
  const path = pinsFile(env);
  await inCache(dirname(path), 'CLIP_CLASSIFY_CACHE', async () => {
    await makeFolder(dirname(path));
    await withLock(`${path}.lock`, async () => {
      const pins = new Map(await readPins(env));
      change(pins);
      const models = Object.fromEntries([...pins].sort(([a], [b]) => (a < b ? -1 : 1)));
      await replaceFile(path, `${JSON.stringify({ version: VERSION, models }, null, 2)}\n`);
    });
  });
}

/** The pulled model that a text names, by its name, an alias of its card or its repository. */
export async function findPulled(text: string, env?: Env): Promise<readonly [string, Pin] | undefined> {
  const pins = await readPins(env);
  const exact = findPin(pins, text);
  if (exact !== undefined || pins.size === 0) return exact;
  const card = await findCard(text);
  return card && findPin(pins, card.name);
}

function findPin(pins: Pins, text: string): readonly [string, Pin] | undefined {
  const exact = pins.get(text);
  if (exact !== undefined) return [text, exact];
  return [...pins].find(([, { repo, revision }]) => text === repo || text === `${repo}@${revision}`);
}

function pinsFile(env?: Env): string {
  return join(cacheFolder(env), 'hub.lock.json');
}

/** The file is this tool's own; still, its names become paths. */
function checkPin(name: string, pin: Pin): void {
  const ok =
    isSafePath(pin.repo) &&
    isCommit(pin.commit) &&
    typeof pin.cache === 'string' &&
    Object.entries(pin.files).every(
      ([path, { sha256, size }]) => isSafePath(path) && /^[0-9a-f]{64}$/u.test(sha256) && Number.isSafeInteger(size),
    );
  if (!ok) throw new TypeError(`the entry of ${name} is invalid`);
}
