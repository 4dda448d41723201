import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { inCache, makeFolder, replaceFile, unreadableCache } from '../disk/cache-files.ts';
import { cacheFolder, type Env } from '../disk/environment.ts';
import { isAbsent } from '../disk/exists.ts';
import { readPlainFile } from '../disk/plain-file.ts';
import { withLock } from '../disk/process-lock.ts';
import { CacheError, messageOf } from '../errors.ts';
import { isCommit, isSafePath } from './names.ts';
import { findCard } from './registry.ts';

/** A downloaded file. */
const PinnedFile = v.object({
  /** bytes */
  size: v.pipe(v.number(), v.safeInteger()),
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/u)),
  /** The name of the blob: the Hub's own digest. */
  blob: v.string(),
  /** The stamp of the file at the last check of its sha256. While it is unchanged, the file is not hashed again. */
  stamp: v.string(),
});

/** The record of a downloaded model. Its names become paths. */
const Pin = v.object({
  repo: v.pipe(v.string(), v.check(isSafePath)),
  /** The requested branch, tag or commit. */
  revision: v.string(),
  commit: v.pipe(v.string(), v.check(isCommit)),
  layout: v.picklist(['safetensors', 'open_clip', 'onnx']),
  /** The folder of the Hub's cache. */
  cache: v.string(),
  files: v.record(v.pipe(v.string(), v.check(isSafePath)), PinnedFile),
});

export type PinnedFile = Readonly<v.InferOutput<typeof PinnedFile>>;
export type Pin = Readonly<v.InferOutput<typeof Pin>>;

/** Downloaded models by name. */
export type Pins = ReadonlyMap<string, Pin>;

const VERSION = 1;
const LockFile = v.object({ version: v.number(), models: v.record(v.string(), v.unknown()) });

/**
 * Reads the lock file, `hub.lock.json` in the cache of this tool: every downloaded model with its commit and checksums.
 *
 * @throws CacheError if it exists and cannot be read
 */
export async function readPins(env?: Env): Promise<Pins> {
  const path = pinsFile(env);
  let text: string;
  try {
    text = await readPlainFile(path);
  } catch (error) {
    if (isAbsent(error)) return new Map(); // nothing has been downloaded
    throw unreadableCache(path, error);
  }
  try {
    const { version, models } = v.parse(LockFile, JSON.parse(text));
    if (version > VERSION)
      throw new CacheError(
        `${path} was written by a later version of clip-classify`,
        'update clip-classify, or set CLIP_CLASSIFY_CACHE to another folder',
      );
    if (version !== VERSION) throw new TypeError(`version ${version} is not supported`);
    return new Map(Object.entries(models).map(([name, pin]) => [name, parsePin(name, pin)]));
  } catch (error) {
    if (error instanceof CacheError) throw error;
    throw new CacheError(
      `${path} is damaged: ${messageOf(error)}`,
      'delete the file and pull the models again; cached files are not downloaded again',
      error,
    );
  }
}

/** Changes the lock file, one process at a time. */
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

/** Finds a downloaded model by its name, an alias of its card or its repository. */
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

function parsePin(name: string, value: unknown): Pin {
  const pin = v.safeParse(Pin, value);
  if (pin.success) return pin.output;
  throw new TypeError(`the entry of ${name} is not valid (${v.getDotPath(pin.issues[0]) ?? 'the whole entry'})`);
}
