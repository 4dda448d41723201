import { type Digest, toDigest } from '../disk/digest.ts';

/** The Hub's checksum of a large file. Only X-Linked-Etag counts, because other servers use ETag for their own checksums. */
export function claimedDigest(headers: Headers): Digest | undefined {
  return toDigest(unquoted(headers.get('x-linked-etag')));
}

/** The bare ETag, weak or strong. */
export function etagOf(headers: Headers): string | undefined {
  return unquoted(headers.get('etag'));
}

/** A weak ETag says nothing about bytes (RFC 9110, 13.1.5). */
export function strongEtag(headers: Headers): string | undefined {
  const etag = headers.get('etag');
  return etag === null || etag.startsWith('W/') ? undefined : etag;
}

/** Whether the body is sent compressed, so that its length is not the length of the file. */
export function isEncoded(headers: Headers): boolean {
  return !/^(identity)?$/iu.test(headers.get('content-encoding')?.trim() ?? '');
}

/** The length of the body as it is received, in bytes, if it is known. */
export function lengthOf(headers: Headers): number | undefined {
  const length = headers.get('content-length');
  return length === null || isEncoded(headers) ? undefined : Number(length);
}

function unquoted(etag: string | null): string | undefined {
  return etag?.replace(/^W\//u, '').replaceAll('"', '');
}
