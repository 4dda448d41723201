import type { Embedded } from '../embed/encoder.ts';
import { ClipError, ImageError, type ImageErrorCode, ModelError, messageOf, UsageError } from '../errors.ts';
import type { ImageIdentity } from '../image/source.ts';

/** The next step for a row that cannot be used. */
export const AGAIN = 'embed the image again';
const CODES: readonly ImageErrorCode[] = [
  'E_NOT_FOUND',
  'E_UNREADABLE',
  'E_FORMAT',
  'E_DECODE',
  'E_PIXEL_LIMIT',
  'E_FILE_SIZE',
  'E_TIMEOUT',
  'E_CRASH',
  'E_URL',
];

/** The code of an error row. */
export function codeOf(value: unknown): ImageErrorCode {
  return CODES.find((code) => code === value) ?? 'E_DECODE';
}

/** The error for an invalid embedding. */
export function badRow(identity: ImageIdentity): Extract<Embedded, { ok: false }> {
  const { image } = identity;
  return { ok: false, ...identity, error: new ImageError('E_DECODE', `${image} has no unit-length embedding`, AGAIN) };
}

const EMBED = 'use a .npy, .parquet or .jsonl file that clip-classify embed wrote for images';

/** @throws ModelError if the embeddings are from another model than that of `digest`; UsageError if no model is named */
export function requireDigest(fields: Readonly<Record<string, unknown>>, digest: string, path: string): void {
  const { digest: own, model } = fields;
  if (own === digest) return;
  if (typeof own !== 'string') throw new UsageError(`${path} does not name the model of its embeddings`, EMBED);
  throw new ModelError(
    `the embeddings in ${path} come from another model (${typeof model === 'string' ? `${model}, ` : ''}${own.slice(0, 12)})`,
    `use that model, or embed the images again (this model is ${digest.slice(0, 12)})`,
  );
}

/** The error for a file with other content. */
export function notImages(path: string, isTexts: boolean): UsageError {
  return new UsageError(`${path} contains ${isTexts ? 'embeddings of texts' : 'no embeddings of images'}`, EMBED);
}

/** The error for anything that was thrown while the file was read. */
export function unreadable(path: string, error: unknown): ClipError {
  return error instanceof ClipError ? error : new UsageError(`cannot use ${path}: ${messageOf(error)}`, EMBED, error);
}
