import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { pathOfAddress } from '../../disk/address.ts';
import { UsageError } from '../../errors.ts';
import type { ImageSource } from '../../image/source.ts';
import { type ImageOptions, namedTars } from '../../inputs/images.ts';
import { bytesOfPath, openable, type Path } from '../../inputs/path.ts';
import { isInShard, type Shard } from '../../inputs/shard.ts';
import { STDIN } from '../../inputs/stdin.ts';
import { tarImages } from '../../inputs/tar/images.ts';
import { identify } from '../../output/image-identity.ts';
import type { PartInput } from '../../output/parts/done-marker.ts';

/** A part of the input that has its own output files. */
export interface Part {
  /** The name of its files, without folder and extension. */
  readonly name: string;
  /** Its number among all parts, including the parts of other machines. */
  readonly number: number;
  readonly input: PartInput;
  readonly images: () => AsyncIterable<ImageSource>;
}

/**
 * One part for each tar.
 *
 * @throws UsageError if an input is not a tar, or two parts would have the same name
 */
export async function* tarParts(args: readonly Path[], options: ImageOptions): AsyncGenerator<Part> {
  const { shard } = options;
  const tars: Path[] = [];
  for await (const tar of namedTars(args, options)) tars.push(tar);
  const names = new Map<string, Path>();
  for (const tar of tars) {
    const name = partName(tar);
    const other = names.get(name);
    if (other !== undefined)
      throw new UsageError(
        `${other} and ${tar} would both be written to ${name}`,
        'rename one of them, or use two output folders',
      );
    names.set(name, tar);
  }
  for (const [number, tar] of tars.entries()) {
    if (shard !== undefined && !isInShard(tar, shard)) continue;
    yield { name: partName(tar), number, input: await tarInput(tar), images: () => tarImages(tar, options) };
  }
}

function partName(tar: Path): string {
  if (tar === STDIN) return 'stdin';
  const name = bytesOfPath(basename(tar)).toString();
  return name.replace(/\.(tar|tar\.(gz|zstd?)|tgz|tzst)$/iu, '');
}

async function tarInput(tar: Path): Promise<PartInput> {
  const info =
    tar === STDIN ? undefined : await stat(openable(pathOfAddress(tar)), { bigint: true }).catch(() => undefined);
  if (!info?.isFile()) return { tar, at: Date.now() }; // a stream cannot be compared with an earlier one
  // A tar that is replaced can keep its size and mtime, but not its ctime. The inode says nothing on some network disks.
  const { size, mtimeNs, ctimeNs } = info;
  return { tar, size: Number(size), mtime: String(mtimeNs), ctime: String(ctimeNs) };
}

/** One part for every n images. Their paths are in memory, not their bytes. @throws UsageError for images in tars */
export async function* imageParts(
  images: AsyncIterable<ImageSource>,
  rows: number,
  shard: Shard | undefined,
): AsyncGenerator<Part> {
  const prefix = shard === undefined ? 'part' : `part-${shard.part}of${shard.of}`;
  let number = 0;
  let chunk: ImageSource[] = [];
  const part = async (sources: readonly ImageSource[]): Promise<Part> => ({
    name: `${prefix}-${String(number).padStart(5, '0')}`,
    number: number++,
    input: { images: sources.length, sha256: await digestOf(sources) },
    images: async function* () {
      yield* sources;
    },
  });
  for await (const image of images) {
    if ('member' in image)
      throw new UsageError('--rows-per-file is for images that are not in tars', 'remove it: each tar has a file');
    chunk.push(image);
    if (chunk.length < rows) continue;
    yield await part(chunk);
    chunk = [];
  }
  if (chunk.length > 0) yield await part(chunk);
}

/** A digest of the paths, sizes and times of change. */
async function digestOf(images: readonly ImageSource[]): Promise<string> {
  const sha256 = createHash('sha256');
  for (const image of images) {
    const { key, identity } = await identify(image, false);
    sha256.update(JSON.stringify([key, identity.stamp ?? null]));
  }
  return sha256.digest('hex');
}
