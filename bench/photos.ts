import { access, link, mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';

const IMAGE = /\.(jpe?g|png|webp)$/iu;

/**
 * The photographs of the first folder that has some, by name.
 *
 * @throws Error if none has
 */
export async function findPhotos(folders: readonly string[]): Promise<string[]> {
  for (const folder of folders) {
    const names = (await readdir(folder).catch((): string[] => [])).filter((name) => IMAGE.test(name)).sort();
    if (names.length > 0) return names.map((name) => join(folder, name));
  }
  throw new Error(`no photographs in ${folders.join(', ')}`);
}

/** `count` paths; they start again from the first photograph if there are fewer. */
export function repeated(photos: readonly string[], count: number): string[] {
  return Array.from({ length: count }, (_, n) => photos[n % photos.length] as string);
}

/**
 * A JPEG of `across` × `across` photographs of this size, created if it is missing. A single enlarged photograph would have no
 * detail, and would decode in half the time of a camera's picture.
 */
export async function mosaic(
  photos: readonly string[],
  across: number,
  [width, height]: readonly [number, number],
  cache: string,
  name = '',
): Promise<string> {
  const path = join(cache, `mosaic-${across}-${width}x${height}${name}.jpg`);
  if (await exists(path)) return path;
  const tiles = repeated(photos, across * across).map(async (photo, n) => ({
    input: await sharp(photo).resize(width, height, { fit: 'cover' }).png().toBuffer(),
    left: (n % across) * width,
    top: Math.trunc(n / across) * height,
  }));
  const blank = { width: across * width, height: across * height, channels: 3, background: '#000' } as const;
  const picture = sharp({ create: blank }).composite(await Promise.all(tiles));
  await picture.jpeg({ quality: 90 }).toFile(path);
  return path;
}

/** Eight different photographs of 12 megapixels, 4,032 × 3,024. */
export function largePhotos(photos: readonly string[], cache: string): Promise<string[]> {
  const first = (n: number) => [...photos.slice(8 * n), ...photos.slice(0, 8 * n)];
  return Promise.all(Array.from({ length: 8 }, (_, n) => mosaic(first(n), 8, [504, 378], cache, `-${n}`)));
}

/** A folder with `count` names for the photographs: hard links, or symbolic links if they are on another disk. */
export async function manyNames(photos: readonly string[], count: number, folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const names = Array.from({ length: count }, (_, n) => join(folder, `${String(n).padStart(6, '0')}.jpg`));
  if (await exists(names.at(-1) ?? folder)) return names;
  for (const [n, name] of names.entries()) {
    const photo = photos[n % photos.length] as string;
    await link(photo, name)
      .catch(() => symlink(photo, name))
      .catch(() => {}); // it is there from a run that was cut short
  }
  return names;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
