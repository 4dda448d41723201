import { open, readdir, stat } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { pathOfAddress, unsupportedAddress } from '../../disk/address.ts';
import { isUtf16 } from '../../disk/text.ts';
import { messageOf, shownName, UsageError } from '../../errors.ts';
import type { ImageSource } from '../../image/source.ts';
import { excluding } from '../../inputs/glob.ts';
import type { ImageOptions } from '../../inputs/images.ts';
import { isSystemFolder, LeftOut } from '../../inputs/left-out.ts';
import { foldLabel } from '../../text/same-label.ts';
import { countImages, imagePaths } from '../inputs.ts';
import { csvImages, type LabelledImage, type TruthColumns } from './truth-csv.ts';

/** How a folder is searched, and who is told about skipped files. */
export type TruthWalk = Pick<ImageOptions, 'hidden' | 'follow' | 'exclude' | 'leftOut' | 'onLoop'>;

/** Who is told about files in the folder that belong to no class. */
export interface TruthReport {
  /** Called for an image that is not in a folder of a class. */
  onNoClass(path: string): unknown;
  warn(message: string): unknown;
}

export interface Truth {
  /** The classes, in byte order. */
  readonly labels: readonly string[];
  /** The images in order, found as they are asked for. */
  images(): AsyncGenerator<LabelledImage>;
  count(): Promise<number | undefined>;
}

/**
 * Labelled images: a folder with one folder for each class, or a CSV with the columns `path` and `label`.
 *
 * @throws UsageError if it is neither, or contains no class
 */
export async function openTruth(
  given: string,
  walk: TruthWalk,
  columns: TruthColumns,
  report: TruthReport,
): Promise<Truth> {
  const address = unsupportedAddress(given);
  if (address !== undefined) throw new UsageError(address.fact, address.nextStep);
  const source = pathOfAddress(given);
  const info = await stat(source).catch(cannotRead(source));
  // A pipe can be read only once, but the classes must be known before the first image.
  if (!info.isDirectory() && !info.isFile())
    throw new UsageError(`${source} is not a folder and not a regular file`, NEXT_STEP);
  if (info.isFile() && (await isBinary(source))) throw new UsageError(`${source} is not a CSV file`, NEXT_STEP);
  const truth = info.isDirectory()
    ? await folderPerClass(source, walk, report)
    : await csvTruth(source, columns, report);
  if (truth.labels.length === 0) throw new UsageError(`${source} contains no classes`, NEXT_STEP);
  return truth;
}

/** The warning about images that are not in the folder of a class. */
export function withoutClass(images: number): string {
  return `skipped ${images === 1 ? '1 image that is' : `${images} images that are`} not in the folder of a class`;
}

const NEXT_STEP = 'use a folder with one subfolder per class, or a CSV file with the columns path and label';

/** Whether a file has NUL bytes near its start, as images do. UTF-16 text has them, too, but begins with a byte-order mark. */
async function isBinary(file: string): Promise<boolean> {
  const handle = await open(file).catch(cannotRead(file));
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(4096)).finally(() => handle.close());
  return !isUtf16(buffer) && buffer.subarray(0, bytesRead).includes(0);
}

function cannotRead(source: string): (error: unknown) => never {
  return (error) => {
    throw new UsageError(`cannot read ${shownName(source)}: ${messageOf(error)}`, NEXT_STEP, error);
  };
}

/** Usual folder names of the splits of a data set. */
const SPLITS: ReadonlySet<string> = new Set([
  'train',
  'training',
  'val',
  'valid',
  'validation',
  'test',
  'testing',
  'dev',
]);

/** Each folder in the root that contains images is a class. An image belongs to the class of its folder, at any depth. */
async function folderPerClass(root: string, walk: TruthWalk, { onNoClass, warn }: TruthReport): Promise<Truth> {
  const entries = await readdir(root, { withFileTypes: true }).catch(cannotRead(root));
  const folders = new Set<string>();
  for (const entry of entries) {
    const path = join(root, entry.name);
    const isFolder = entry.isSymbolicLink() && walk.follow ? await leadsToFolder(path) : entry.isDirectory();
    if (isFolder && (walk.hidden || !entry.name.startsWith('.'))) folders.add(entry.name);
  }
  const isExcluded = excluding(walk.exclude ?? [], root);
  const classes = new Set<string>();
  // This search counts no skipped files, because they are counted when the images are read.
  const images = imagePaths([root], { ...walk, onLoop: undefined, leftOut: new LeftOut() });
  for await (const source of images) {
    const label = classIn(root, source.name);
    if (folders.has(label)) classes.add(label);
  }
  for (const name of folders) {
    if (classes.has(name) || isSystemFolder(name) || isExcluded?.(join(root, name))) continue;
    warn(`the folder ${name} contains no images, so it is not a class`);
  }
  if (classes.size > 0 && [...classes].every((name) => SPLITS.has(name.toLowerCase()))) {
    const [first = ''] = classes;
    throw new UsageError(
      `the folders ${[...classes].join(', ')} of ${root} are parts of a data set, not classes`,
      `use one of them, such as ${join(root, first)}`,
    );
  }
  return {
    labels: [...classes].sort(byBytes),
    async *images() {
      for await (const source of imagePaths([root], walk)) {
        const path = source.name;
        const key = keyIn(root, path);
        const label = classIn(root, path);
        if (classes.has(label)) yield { source, label, key };
        else onNoClass(path);
      }
    },
    count: () => countImages([root], walk),
  };
}

/** The path relative to the root. */
function keyIn(root: string, path: string): string {
  return path.slice(root.length).replace(/^\/+/u, '');
}

function classIn(root: string, path: string): string {
  return keyIn(root, path).split('/', 1)[0] as string;
}

async function leadsToFolder(link: string): Promise<boolean> {
  return stat(link).then(
    (info) => info.isDirectory(),
    () => false,
  );
}

/** A CSV (RFC 4180) with a header. It may have a byte-order mark, CRLF, blank lines and more columns. */
async function csvTruth(file: string, columns: TruthColumns, { warn }: TruthReport): Promise<Truth> {
  const labels = new Set<string>();
  const seen = new Map<string, { readonly label: string; readonly line: number; readonly key: string }>();
  let count = 0;
  let repeated: string | undefined;
  for await (const { source, label, key, line = 0 } of csvImages(file, columns)) {
    labels.add(label);
    count++;
    const identity = await identityOfFile(source);
    const before = seen.get(identity);
    if (before === undefined) seen.set(identity, { label, line, key });
    else if (foldLabel(before.label) !== foldLabel(label)) {
      const other = before.key === key ? '' : `, as ${before.key},`;
      throw new UsageError(
        `${file} gives ${key} two labels: "${before.label}" in line ${before.line}${other} and "${label}" in line ${line}`,
        'remove one of the lines',
      );
    } else
      repeated ??= `${file} names ${key} more than once, such as in lines ${before.line} and ${line}; it counts each time`;
  }
  if (repeated !== undefined) warn(repeated);
  return { labels: [...labels].sort(byBytes), images: () => csvImages(file, columns), count: async () => count };
}

/** One file has one identity, by whatever path it is named. */
async function identityOfFile(source: ImageSource): Promise<string> {
  if (source.kind !== 'file') return source.name;
  const info = await stat(source.path, { bigint: true }).catch(() => undefined);
  return info === undefined ? normalize(source.name) : `${info.dev}:${info.ino}`;
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
