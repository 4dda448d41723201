import { heicVersion, isTooOld } from '../image/heic.ts';
import type { Path } from './path.ts';

/** The extensions of images in folders. A named file is always tried, with any extension. */
const IMAGE = /\.(jpe?g|jfif|jpe|png|webp|gif|tiff?|avifs?|bmp|dib)$/iu;
const HEIC = /\.(heic|heif|hif)$/iu;
const RAW = /\.(cr2|cr3|nef|nrw|arw|dng|raf|orf|rw2)$/iu;
/** Extensions of the picture that a camera writes next to a RAW file. */
const PARTNER = /\.(jpe?g|jfif|jpe|heic|heif|hif)$/iu;

let readsHeic: boolean | undefined;

/** Whether a file in a folder is an image by its name. */
export function isImageName(path: Path): boolean {
  if (IMAGE.test(path) || RAW.test(path)) return !/(^|\/)\._[^/]*$/u.test(path); // macOS: a resource fork
  if (!HEIC.test(path)) return false;
  const version = readsHeic === undefined ? heicVersion() : undefined;
  readsHeic ??= version !== undefined && !isTooOld(version);
  return readsHeic;
}

/** The RAW files of a folder that have a JPEG or HEIC of the same picture. */
export function pairedRaws(names: readonly string[]): ReadonlySet<string> {
  const raws = names.filter((name) => RAW.test(name));
  if (raws.length === 0) return new Set();
  const stem = (name: string) => name.replace(/\.[^.]*$/u, '').toLowerCase();
  const partners = new Set(names.filter((name) => PARTNER.test(name)).map(stem));
  return new Set(raws.filter((name) => partners.has(stem(name))));
}
