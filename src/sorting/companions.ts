import { readdir } from 'node:fs/promises';
import { openable, type Path, pathOfBytes, within } from '../inputs/path.ts';

/** Extensions of camera RAW files, which may have a JPEG next to them. */
const RAW = /\.(3fr|arw|cr2|cr3|crw|dng|erf|nef|nrw|orf|pef|raf|raw|rw2|srw)$/iu;
/** Files that belong to a picture with the same stem: edits, sidecars, the video of a Live Photo. */
const BY_STEM = /\.(xmp|aae|thm|mov|mp4|mp|pp3)$/iu;
/** Files that belong to the picture whose full name they contain: `photo.jpg.xmp`. */
const BY_NAME = /\.(xmp|pp3|json)$/iu;
/** Google Takeout truncates `name.ext.supplemental-metadata.json` to this many characters, without the .json. */
const TAKEOUT_LENGTH = 46;

export function isRaw(path: Path): boolean {
  return RAW.test(path);
}

/** `holiday/IMG_1.jpg` → folder `holiday`, name `IMG_1.jpg`, stem `IMG_1` */
export function partsOf(path: Path): { readonly folder: Path; readonly name: Path; readonly stem: Path } {
  const slash = path.lastIndexOf('/');
  const name = path.slice(slash + 1);
  const dot = name.lastIndexOf('.');
  return { folder: slash < 0 ? '' : path.slice(0, slash) || '/', name, stem: dot > 0 ? name.slice(0, dot) : name };
}

/** Finds the files that belong to pictures. Each folder is listed once. */
export class Companions {
  private readonly listings = new Map<Path, Promise<readonly Path[]>>();

  /**
   * The files next to a picture that move with it, without other pictures. A file that is found only through another one comes before it:
   * when a run is killed between the two, the next run still finds the rest.
   */
  async of(picture: Path): Promise<Path[]> {
    const { folder, name, stem } = partsOf(picture);
    const names = await this.list(folder);
    const own = names.filter((other) => belongs(other, name, stem));
    const ofOwn = names.filter((other) => other !== name && own.some((one) => isNamedAfter(other, one)));
    return [...new Set([...ofOwn, ...own])].map((other) => within(folder, other));
  }

  private list(folder: Path): Promise<readonly Path[]> {
    let listing = this.listings.get(folder);
    if (listing === undefined) {
      listing = readdir(openable(folder || '.'), { encoding: 'buffer', withFileTypes: true }).then(
        (entries) => entries.filter((entry) => entry.isFile()).map(({ name }) => pathOfBytes(name)),
        () => [],
      );
      this.listings.set(folder, listing);
    }
    return listing;
  }
}

function belongs(other: Path, name: Path, stem: Path): boolean {
  if (other === name) return false;
  if (isNamedAfter(other, name)) return true;
  if (/\.json$/iu.test(other)) return isTakeout(other, name);
  const { stem: otherStem } = partsOf(other);
  const isEdit = otherStem.toLowerCase() === `${stem}_o`.toLowerCase() && /\.aae$/iu.test(other);
  const sameStem = otherStem.toLowerCase() === stem.toLowerCase();
  return isEdit || (sameStem && (BY_STEM.test(other) || (RAW.test(other) && !RAW.test(name))));
}

/** `IMG.jpg.xmp` of `IMG.jpg` */
function isNamedAfter(other: Path, name: Path): boolean {
  return other.toLowerCase().startsWith(`${name.toLowerCase()}.`) && BY_NAME.test(other);
}

/** The metadata file of Google Takeout next to a picture. Its name may be truncated. */
function isTakeout(other: Path, name: Path): boolean {
  const base = other.slice(0, -'.json'.length);
  return base.length >= TAKEOUT_LENGTH && `${name}.supplemental-metadata`.startsWith(base);
}
