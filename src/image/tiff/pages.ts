import { type Directory, TAG } from './directory.ts';

/** A reduced copy of another page, or a mask (TIFF 6.0, NewSubfileType). */
const [REDUCED, MASK] = [1, 4] as const;

/**
 * The full pictures of a TIFF in their order. Pages that are marked as reduced are skipped, unless there are no others. If all pages are
 * reduced, the full picture is in a sub-directory.
 */
export function fullPages(directories: readonly Directory[]): Directory[] {
  const pictures = directories.filter(hasPixels);
  const pages = pictures.filter(({ page }) => page !== undefined);
  const full = pages.filter((one) => !isReduced(one));
  if (full.length > 0) return full;
  const below = pictures.filter((one) => one.page === undefined && one.parent?.page !== undefined && !isReduced(one));
  return below.length > 0 ? below : pages;
}

export function isReduced(directory: Directory): boolean {
  return ((directory.value(TAG.subfileType) ?? 0) & (REDUCED | MASK)) !== 0;
}

/** Whether a directory is a picture. Cameras also put directories with other data into the chain. */
function hasPixels(directory: Directory): boolean {
  return (
    directory.has(TAG.width) &&
    directory.has(TAG.height) &&
    (directory.has(TAG.stripOffsets) || directory.has(TAG.tileOffsets))
  );
}
