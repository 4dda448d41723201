import { closeSync } from 'node:fs';
import { lstat, readdir, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isThere } from '../disk/cache-files.ts';
import type { Env } from '../disk/environment.ts';
import { digestsFolder, rememberedPath } from '../disk/remembered-digest.ts';
import { removeWeights, type WeightsFile, weightsFiles } from '../model/weights-files.ts';
import { embeddingsFolder } from './cache.ts';
import { type SegmentFile, segmentFiles } from './segment-files.ts';
import { beginsAsSegment, openPlain, readHeader } from './segment-header.ts';

/** Kinds of cached files. Imports and the record of downloaded models are not cache, because the command `models` manages them. */
type Kind = 'image embeddings' | 'label embeddings' | 'converted weights' | 'optimized graphs' | 'checksums';

/** A file in the cache, with its seal and other files that belong to it. */
export interface CacheItem {
  readonly kind: Kind;
  /** The name of the model, if it is known. */
  readonly model: string | undefined;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly lastUsed: number;
  /** `growing`: a run is writing it. `waste`: nothing can use it any more. */
  readonly state: 'whole' | 'growing' | 'waste';
  /** @returns false if a run needs it, or it may not be deleted */
  remove(): Promise<boolean>;
}

/**
 * All items of the cache. The folder may hold anything: an item is a file that has the name and the beginning that this
 * package gives to its files. Links are not followed.
 */
export async function cacheItems(env?: Env): Promise<CacheItem[]> {
  const segments = (await segmentFiles(embeddingsFolder(env))).flatMap(segmentItem);
  const weights = (await weightsFiles(env)).map(weightsItem);
  return [...segments, ...weights, ...(await checksumItems(digestsFolder(env)))];
}

function segmentItem({ path, size, lastUsed, isFinished }: SegmentFile): CacheItem[] {
  const header = headerOf(path, size);
  if (header === 'foreign') return [];
  const { kind, model } = factsIn(header);
  return [
    {
      kind: kind === 'labels' ? 'label embeddings' : 'image embeddings',
      model,
      size,
      lastUsed,
      state: !isFinished ? 'growing' : header === undefined ? 'waste' : 'whole',
      remove: () => removeFile(path),
    },
  ];
}

/** The header of a segment. @returns undefined if it is damaged or not written yet */
function headerOf(path: string, size: number): ReturnType<typeof readHeader> | 'foreign' {
  let file: number | undefined;
  try {
    file = openPlain(path);
    return beginsAsSegment(file, size) ? readHeader(file) : 'foreign';
  } catch {
    return 'foreign'; // it was deleted, or belongs to another user
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** The kind and model of a store. If an older version wrote the store, the model is the start of its digest. */
function factsIn(header: ReturnType<typeof readHeader>): { kind?: unknown; model: string | undefined } {
  if (header === undefined) return { model: undefined };
  const { kind, model } = Object(JSON.parse(header.facts)) as { kind?: unknown; model?: unknown };
  return { kind, model: header.model || (typeof model === 'string' ? model.slice(0, 12) : undefined) };
}

function weightsItem(file: WeightsFile): CacheItem {
  const { size, lastUsed, source, isWaste } = file;
  const model = source && modelOf(source);
  const remove = () => removeWeights(file);
  const kind = file.path.endsWith('.onnx') ? 'optimized graphs' : 'converted weights';
  return { kind, model, size, lastUsed, state: isWaste ? 'waste' : 'whole', remove };
}

/** The repository of a checkpoint in the Hub's cache, else the name of its folder. */
function modelOf(checkpoint: string): string {
  const [, repo] = /[\\/]models--([^\\/]+)[\\/]snapshots[\\/]/u.exec(checkpoint) ?? [];
  return repo?.replaceAll('--', '/') ?? basename(dirname(checkpoint));
}

/** A checksum is written within milliseconds, so an older partial file belongs to a killed process. */
const UNFINISHED_MS = 3_600_000;

async function checksumItems(folder: string): Promise<CacheItem[]> {
  if (!(await lstat(folder).catch(() => undefined))?.isDirectory()) return [];
  const names = (await readdir(folder).catch(() => [])).filter((name) =>
    /^[0-9a-f]{32}\.json(\.\d+-\d+\.tmp)?$/u.test(name),
  );
  const items: CacheItem[] = [];
  for (const path of names.map((name) => join(folder, name))) {
    const info = await lstat(path).catch(() => undefined);
    const state = info?.isFile() ? await stateOfChecksum(path, info.mtimeMs) : 'foreign';
    if (info === undefined || state === 'foreign') continue;
    const { size, mtimeMs: lastUsed } = info;
    items.push({ kind: 'checksums', model: undefined, size, lastUsed, state, remove: () => removeFile(path) });
  }
  return items;
}

async function stateOfChecksum(path: string, written: number): Promise<CacheItem['state'] | 'foreign'> {
  if (path.endsWith('.tmp')) return Date.now() - written > UNFINISHED_MS ? 'waste' : 'growing';
  const checked = await rememberedPath(path);
  if (checked === undefined) return 'foreign';
  return (await isThere(checked)) ? 'whole' : 'waste';
}

/** Deletes a file, and its folder if that is empty now. */
async function removeFile(path: string): Promise<boolean> {
  try {
    await rm(path, { force: true });
  } catch {
    return false;
  }
  await rmdir(dirname(path)).catch(() => {});
  return true;
}
