import type { IncomingHttpHeaders } from 'node:http';
import { isRecord } from '../checkpoint/safetensors.ts';
import { messageOf } from '../errors.ts';
import { type GivenImage, imagesOf } from './images.ts';
import { parseForm } from './multipart.ts';
import { fieldsOf, type Parameters, parametersOf } from './parameters.ts';
import { badRequest, Problem, tooLarge } from './problems.ts';

/** Content types of a body that is one image: none, and curl's default. */
const RAW_TYPES = ['', 'application/octet-stream', 'application/x-www-form-urlencoded'];

/** Images and parameters of a request. */
export interface ClassifyRequest extends Parameters {
  readonly images: readonly GivenImage[];
}

/**
 * Reads a request in any of its three forms: the bytes of one image, a multipart form, or JSON. A page of another origin can send
 * bytes and forms without a preflight; its Origin and Sec-Fetch-Site have refused it before this point.
 *
 * @param query of its address
 * @throws Problem 400, 413 or 415
 */
export async function readClassifyRequest(
  headers: IncomingHttpHeaders,
  query: URLSearchParams,
  body: Buffer,
  mostImages: number,
): Promise<ClassifyRequest> {
  const type = mediaTypeOf(headers);
  const name = query.get('name');
  query.delete('name');
  const fields = fieldsOf(query);
  const result = (images: readonly GivenImage[], more: unknown = {}): ClassifyRequest => {
    if (images.length === 0) throw badRequest('there is no image; send at least one');
    if (images.length > mostImages) throw tooLarge(`there are ${images.length} images; the limit is ${mostImages}`);
    return { images, ...parametersOf({ ...fields, ...(more as object) }) };
  };
  if (type.startsWith('image/') || RAW_TYPES.includes(type)) {
    if (body.length === 0) throw badRequest('the body is empty; send the bytes of an image');
    return result([{ name: name ?? 'image 1', bytes: body }]);
  }
  if (name !== null) throw badRequest('"name" needs the bytes of one image as the body');
  if (type === 'multipart/form-data') {
    const form = await parseForm(headers, body, mostImages);
    const options = form.fields.filter(([field]) => field === 'options').map(([, value]) => parseJson(value));
    const others = form.fields.filter(([field]) => field !== 'options');
    return result(form.files, Object.assign(fieldsOf(others), ...options));
  }
  if (type === 'application/json') {
    const { images, ...more } = objectOf(parseJson(body.toString()));
    return result(imagesOf(images), more);
  }
  const wanted = 'use image/*, application/octet-stream, multipart/form-data or application/json';
  throw new Problem(415, 'E_MEDIA_TYPE', `the body has the Content-Type ${type.slice(0, 60)}; ${wanted}`);
}

/** The Content-Type without its parameters. */
function mediaTypeOf(headers: IncomingHttpHeaders): string {
  const [type = ''] = (headers['content-type'] ?? '').toLowerCase().split(';', 1);
  return type;
}

/** @throws Problem 400 */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`the body is not JSON: ${messageOf(error).slice(0, 100)}`);
  }
}

/** @throws Problem 400 */
function objectOf(value: unknown): Record<string, unknown> {
  if (isRecord(value)) return value;
  throw badRequest('the body is not a JSON object');
}

/** Requires a JSON body. @throws Problem 400 or 415 */
export function readJsonObject(headers: IncomingHttpHeaders, body: Buffer): Record<string, unknown> {
  if (mediaTypeOf(headers) !== 'application/json')
    throw new Problem(415, 'E_MEDIA_TYPE', 'the body needs Content-Type: application/json');
  return objectOf(parseJson(body.toString()));
}
