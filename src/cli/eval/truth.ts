import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, UsageError } from '../../errors.ts';
import { nameOf } from '../../image/source.ts';
import type { ImageOptions } from '../../inputs/images.ts';
import { countImages, imagePaths } from '../inputs.ts';
import { csvImages, type LabelledImage } from './truth-csv.ts';

/** How a folder is walked, and who is told about what does not count. */
export type TruthWalk = Pick<ImageOptions, 'hidden' | 'follow' | 'exclude' | 'leftOut' | 'onLoop'>;

export interface Truth {
  /** The classes, in byte order. */
  readonly labels: readonly string[];
  /** In order, as they are pulled. */
  images(): AsyncGenerator<LabelledImage>;
  count(): Promise<number | undefined>;
}

/**
 * A folder per class, or a CSV with the columns `path` and `label`.
 *
 * @param onNoClass told about an image beside the folders of the classes
 * @throws UsageError if it is neither, or holds no class
 */
export async function openTruth(source: string, walk: TruthWalk, onNoClass: (path: string) => unknown): Promise<Truth> {
  const info = await stat(source).catch(cannotRead(source));
  // A pipe could be read once only; the classes must be known before the first image.
  if (!info.isDirectory() && !info.isFile())
    throw new UsageError(`${source} is not a folder and not a regular file`, NEXT_STEP);
  const truth = info.isDirectory() ? await folderPerClass(source, walk, onNoClass) : await csvTruth(source);
  if (truth.labels.length === 0) throw new UsageError(`${source} contains no classes`, NEXT_STEP);
  return truth;
}

const NEXT_STEP = 'use a folder with one subfolder per class, or a CSV file with the columns path and label';

function cannotRead(source: string): (error: unknown) => never {
  return (error) => {
    throw new UsageError(`cannot read ${source}: ${messageOf(error)}`, NEXT_STEP, error);
  };
}

/** Each folder in the root is a class, also one without images; an image shows the class that it lies in, however deep. */
async function folderPerClass(root: string, walk: TruthWalk, onNoClass: (path: string) => unknown): Promise<Truth> {
  const entries = await readdir(root, { withFileTypes: true }).catch(cannotRead(root));
  const classes = new Set<string>();
  for (const entry of entries) {
    const path = join(root, entry.name);
    const isFolder = entry.isSymbolicLink() && walk.follow ? await leadsToFolder(path) : entry.isDirectory();
    if (isFolder && (walk.hidden || !entry.name.startsWith('.'))) classes.add(entry.name);
  }
  return {
    labels: [...classes].sort(byBytes),
    async *images() {
      for await (const source of imagePaths([root], walk)) {
        const path = nameOf(source);
        const key = path.slice(root.length).replace(/^\/+/u, '');
        const label = key.split('/', 1)[0] as string;
        if (classes.has(label)) yield { source, label, key };
        else onNoClass(path);
      }
    },
    count: () => countImages([root], walk),
  };
}

async function leadsToFolder(link: string): Promise<boolean> {
  return stat(link).then(
    (info) => info.isDirectory(),
    () => false,
  );
}

/** RFC 4180 with a header; a byte-order mark, CRLF, blank lines and more columns are fine. */
async function csvTruth(file: string): Promise<Truth> {
  const labels = new Set<string>();
  let count = 0;
  for await (const { label } of csvImages(file)) {
    labels.add(label);
    count++;
  }
  return { labels: [...labels].sort(byBytes), images: () => csvImages(file), count: async () => count };
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
