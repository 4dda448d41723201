import { pathOfAddress } from '../disk/address.ts';
import { ImageError } from '../errors.ts';
import { withoutCredentials } from '../network/url.ts';
import { checkSize, type Reserve, readImageFile } from './file.ts';

export { MAX_FILE_BYTES } from './file.ts';

/** An image that can be read: the parsed input of the user. `name` is its name in results and messages. */
export type ImageSource = { readonly name: string } & (
  | {
      readonly kind: 'file';
      /** The path for node:fs; bytes if it is not valid UTF-8. */
      readonly path: string | Buffer;
    }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly member?: Membership }
  | {
      readonly kind: 'stream';
      /** Reads the bytes when they are needed. @throws ImageError */
      readonly read: () => Promise<Uint8Array>;
      readonly member?: Membership;
    }
);

/** Facts about an image in an archive. */
export interface Membership {
  /** WebDataset's key of the sample. */
  readonly key: string;
  /** The stamp of the archive and the number of the image in it; absent for a stream. */
  readonly stamp?: string;
  /** The path as bytes, if it is not valid UTF-8. */
  readonly pathBytes?: Uint8Array;
  /** Texts of the same sample, by their extensions. */
  readonly carried?: Readonly<Record<string, unknown>>;
  /** True if it stands for the archive itself, which cannot be read to its end. */
  readonly isArchive?: true;
}

/** The identity of an image in results. */
export interface ImageIdentity {
  readonly image: string;
  /** The path as bytes, if it is not valid UTF-8 and so `image` cannot contain it. */
  readonly pathBytes?: Uint8Array;
  /** The page or frame, if it is not the first. */
  readonly page?: number;
  /** For a member of an archive: WebDataset's key, and the requested texts of the same sample. */
  readonly sample?: { readonly key: string; readonly carried: Readonly<Record<string, unknown>> };
  /** Notes of decoders about an image that could be read. */
  readonly notes?: readonly string[];
}

const URL_SCHEME = /^https?:\/\//iu;

/** Parses a text: a URL if it begins with http:// or https://, otherwise a path or a `file:` address. */
export function sourceOfText(text: string): ImageSource {
  const name = withoutCredentials(text);
  return URL_SCHEME.test(text) ? { kind: 'url', name, url: text } : { kind: 'file', name, path: pathOfAddress(text) };
}

/** The source of a result. The bytes of a stream are gone, so it becomes a file source. */
export function sourceOfIdentity({ image, pathBytes }: ImageIdentity): ImageSource {
  return pathBytes ? { kind: 'file', name: image, path: Buffer.from(pathBytes) } : sourceOfText(image);
}

export function identityOf(source: ImageSource): ImageIdentity {
  const { name: image } = source;
  if (source.kind === 'url') return { image };
  if (source.kind === 'file') return typeof source.path === 'string' ? { image } : { image, pathBytes: source.path };
  if (source.member === undefined) return { image };
  const { pathBytes, key, carried = {} } = source.member;
  return { image, ...(pathBytes && { pathBytes }), sample: { key, carried } };
}

/**
 * The bytes of an image. Only regular files are read, because a FIFO or a device can block or never end.
 *
 * @param reserve called before a file is read
 * @throws ImageError E_NOT_FOUND, E_UNREADABLE, E_DECODE (an empty image), E_FILE_SIZE; E_URL, because URLs are not downloaded here
 */
export async function readSource(source: ImageSource, reserve?: Reserve): Promise<Uint8Array> {
  const { name } = source;
  if (source.kind === 'url')
    throw new ImageError('E_URL', `${name} is a URL, and URLs are not downloaded here`, 'download the image first');
  if (source.kind === 'file') return readImageFile(source.path, name, reserve);
  const bytes = source.kind === 'stream' ? await source.read() : source.bytes;
  checkSize(name, bytes.length);
  return bytes;
}
