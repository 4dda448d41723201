import { heicVersion, isTooOld } from '../image/heic.ts';
import type { Path } from './path.ts';

/** The extensions that a walk takes; an image that is named is always tried, whatever it is called. */
const IMAGE = /\.(jpe?g|jfif|jpe|png|webp|gif|tiff?|avifs?|bmp|dib)$/iu;
const HEIC = /\.(heic|heif|hif)$/iu;
const RAW = /\.(cr2|cr3|nef|nrw|arw|dng|raf|orf|rw2)$/iu;
/** What a camera writes next to a RAW file. */
const PARTNER = /\.(jpe?g|jfif|jpe|heic|heif|hif)$/iu;

let readsHeic: boolean | undefined;

/** Whether a walk takes a file of this name: what can be decoded here. */
export function isImageName(path: Path): boolean {
  if (IMAGE.test(path) || RAW.test(path)) return !/(^|\/)\._[^/]*$/u.test(path); // macOS: a resource fork
  if (!HEIC.test(path)) return false;
  const version = readsHeic === undefined ? heicVersion() : undefined;
  readsHeic ??= version !== undefined && !isTooOld(version);
  return readsHeic;
}

/** The RAW files of a folder whose picture is there as a JPEG or HEIC as well. */
export function pairedRaws(names: readonly string[]): ReadonlySet<string> {
  const raws = names.filter((name) => RAW.test(name));
  if (raws.length === 0) return new Set();
  const stem = (name: string) => name.replace(/\.[^.]*$/u, '').toLowerCase();
  const partners = new Set(names.filter((name) => PARTNER.test(name)).map(stem));
  return new Set(raws.filter((name) => partners.has(stem(name))));
}
