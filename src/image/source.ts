import { ImageError, UsageError } from '../errors.ts';
import { withoutCredentials } from '../network/credentials.ts';
import { pathOfAddress } from './address.ts';
import { checkSize, type Reserve, readImageFile } from './file.ts';
import { isUrl } from './url.ts';

export { MAX_FILE_BYTES } from './file.ts';

/** Where an image comes from; only a path or a URL needs no name for the results. */
export type ImageSource =
  /** A path, or a URL that begins with http:// or https:// (a file of such a name: `./http://…`). */
  | string
  | { readonly name: string; readonly bytes: Uint8Array; readonly member?: Membership }
  /** A path that is no valid UTF-8: its bytes, and what can be read of it. */
  | { readonly name: string; readonly path: Uint8Array }
  /** Bytes that are fetched when it is their turn; what goes wrong is thrown as an ImageError. */
  | { readonly name: string; readonly read: () => Promise<Uint8Array>; readonly member?: Membership };

/** What is known of an image in an archive, beside its bytes. */
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
  /** WebDataset's key and the texts of the same sample, for a member of an archive whose texts were asked for. */
  readonly sample?: { readonly key: string; readonly carried: Readonly<Record<string, unknown>> };
  /** What decoders noticed: the image is read all the same. */
  readonly notes?: readonly string[];
}

/** What results call an image. A URL is shown without user and password. */
export function nameOf(source: ImageSource): string {
  if (typeof source !== 'string') return source.name;
  return withoutCredentials(source);
}

/** The same, with the bytes of a path that the name cannot hold. */
export function identityOf(source: ImageSource): ImageIdentity {
  const image = nameOf(source);
  if (typeof source === 'string') return { image };
  if ('path' in source) return { image, pathBytes: source.path };
  const { pathBytes, key = '', carried } = source.member ?? {};
  return { image, ...(pathBytes && { pathBytes }), ...(carried && { sample: { key, carried } }) };
}

/**
 * The bytes of an image. Only regular files are read: a FIFO or a device would block or never end.
 *
 * @param reserve asked before a file is read
 * @throws ImageError E_NOT_FOUND, E_UNREADABLE, E_DECODE (an empty one), E_FILE_SIZE; E_URL, for URLs are not fetched here
 */
export async function readSource(source: ImageSource, reserve?: Reserve): Promise<Uint8Array> {
  const name = nameOf(source);
  if (typeof source === 'string') {
    if (isUrl(source))
      throw new ImageError('E_URL', `${name} is a URL, and URLs are not downloaded here`, 'download the image first');
    return readImageFile(pathOfAddress(source), name, reserve);
  }
  if ('path' in source && source.path instanceof Uint8Array) {
    return readImageFile(Buffer.from(source.path.buffer, source.path.byteOffset, source.path.length), name, reserve);
  }
  const bytes = 'read' in source ? await source.read() : 'bytes' in source ? source.bytes : undefined;
  if (!(bytes instanceof Uint8Array))
    throw new UsageError('an image is neither a path nor { name, bytes }', 'give one of these');
  checkSize(name, bytes.length);
  return bytes;
}
