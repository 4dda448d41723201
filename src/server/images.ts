import * as v from 'valibot';
import { ImageError } from '../errors.ts';
import { parsed } from './parameters.ts';
import { badRequest } from './problems.ts';

/** An image of a request. */
export type GivenImage =
  | { readonly name: string; readonly bytes: Uint8Array }
  /** Kept since it was sent to /v1/pictures. */
  | { readonly name: string; readonly id: string }
  /** The URL is downloaded. */
  | { readonly name: string; readonly url: string }
  /** An input that cannot be an image. */
  | { readonly name: string; readonly error: ImageError };

const NAME = v.pipe(v.string(), v.maxLength(4_096));

/** An image in a JSON body. */
export const IMAGE = v.union([
  v.strictObject({ name: v.optional(NAME), data: v.string() }),
  v.strictObject({ name: v.optional(NAME), url: v.string() }),
  v.strictObject({ id: v.pipe(v.string(), v.maxLength(64)) }),
]);

/** The images of a JSON body. @throws Problem 400 */
export function imagesOf(fields: unknown): GivenImage[] {
  if (!Array.isArray(fields)) throw badRequest('"images" is not a list; send [{"name": …, "data": …}]');
  return fields.map((field, n) => {
    const given = parsed(IMAGE, field);
    if ('id' in given) return { name: `image ${n + 1}`, id: given.id };
    const name = given.name ?? `image ${n + 1}`;
    if ('data' in given) return imageOfText(given.data, name);
    return { name: given.name ?? given.url, url: given.url };
  });
}

/** An image as base64 or as a data: URI. */
export function imageOfText(text: string, name: string): GivenImage {
  const comma = text.startsWith('data:') ? text.indexOf(',') : -1;
  const head = text.slice(0, comma + 1);
  const base64 = text.slice(comma + 1).replace(/\s+/gu, '');
  const isUri = /^data:[^,]{0,200};base64,$/iu.test(head);
  if ((text.startsWith('data:') && !isUri) || base64.length === 0 || !/^[\w+/-]+={0,2}$/u.test(base64))
    return {
      name,
      error: new ImageError('E_DECODE', `${name} is not base64`, 'send base64 or a data: URI with base64'),
    };
  return { name, bytes: Buffer.from(base64, 'base64') };
}
