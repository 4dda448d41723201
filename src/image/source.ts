import { pathOfAddress } from '../disk/address.ts';
import { ImageError } from '../errors.ts';
import { withoutCredentials } from '../network/credentials.ts';
import { checkSize, type Reserve, readImageFile } from './file.ts';

export { MAX_FILE_BYTES } from './file.ts';

/** An image that can be read: what the user gave, parsed once. `name` is what results and messages call it. */
export type ImageSource = { readonly name: string } & (
  | {
      readonly kind: 'file';
      /** As node:fs takes it; bytes if the path is not valid UTF-8. */
      readonly path: string | Buffer;
    }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly member?: Membership }
  | {
      readonly kind: 'stream';
      /** Reads the bytes when it is their turn. @throws ImageError */
      readonly read: () => Promise<Uint8Array>;
      readonly member?: Membership;
    }
);

/** What an archive tells about one of its images. */
export interface Membership {
  /** WebDataset's key of the sample. */
  readonly key: string;
  /** Tells whether the archive has been touched, and which image of it this is; absent for a stream. */
  readonly stamp?: string;
  /** The path in its own bytes, where that is no valid UTF-8. */
  readonly pathBytes?: Uint8Array;
  /** Texts of the same sample, by their extensions. */
  readonly carried?: Readonly<Record<string, unknown>>;
  /** It stands for the archive itself, which cannot be read any further. */
  readonly isArchive?: true;
}

/** What results call an image. */
export interface ImageIdentity {
  readonly image: string;
  /** Its path, where that is no valid UTF-8 and `image` cannot hold it. */
  readonly pathBytes?: Uint8Array;
  /** The page or frame, if another one than the first was asked for. */
  readonly page?: number;
  /** For a member of an archive: WebDataset's key, and the texts of the same sample that were asked for. */
  readonly sample?: { readonly key: string; readonly carried: Readonly<Record<string, unknown>> };
  /** What decoders noticed: the image is read all the same. */
  readonly notes?: readonly string[];
}

const URL_SCHEME = /^https?:\/\//iu;

/** The source that a text names: a URL if it begins with http:// or https://, otherwise a path or a `file:` address. */
export function sourceOfText(text: string): ImageSource {
  const name = withoutCredentials(text);
  return URL_SCHEME.test(text) ? { kind: 'url', name, url: text } : { kind: 'file', name, path: pathOfAddress(text) };
}

/** The source that a result names. What was read from bytes or a stream has lost them: it looks like a file. */
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
 * @param reserve asked before a file is read
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
