import { HubError, messageOf } from '../errors.ts';
import { retry, Transient, untilStall } from './retry.ts';
import type { HubConnection } from './transport.ts';

/** A listing of a CLIP's repository takes some kilobytes. */
const MAX_BYTES = 20_000_000;

/** A small answer of the Hub, which is read into memory. */
export interface Wanted {
  readonly url: URL;
  /** `org/name` */
  readonly repo: string;
  /** For messages. */
  readonly what: string;
}

/**
 * An answer of the Hub's API, and the URL of its next page.
 *
 * @throws HubError if the Hub does not answer, or the answer is too long or not JSON
 */
export async function getJson(hub: HubConnection, wanted: Wanted): Promise<{ body: unknown; next: URL | undefined }> {
  const { body, headers } = await getBytes(hub, wanted);
  try {
    return { body: JSON.parse(body.toString('utf8')), next: nextPage(headers, wanted.url) };
  } catch (error) {
    throw new HubError(
      `the Hub's answer for ${wanted.what} is not JSON: ${messageOf(error)}`,
      'check HF_ENDPOINT; a proxy or a login page may have answered instead',
      error,
    );
  }
}

/** Reads a small answer, decompressed. @throws HubError if the Hub does not answer, or the answer is too long */
export function getBytes(
  hub: HubConnection,
  { url, repo, what }: Wanted,
): Promise<{ readonly body: Buffer; readonly headers: Headers }> {
  const stalled = () => new HubError(`the Hub does not answer for ${what}`, 'try again later');
  return retry(hub, () =>
    untilStall(hub, stalled, async (signal, received) => {
      const { response } = await hub.send({ url, signal, repo, what });
      const chunks: Uint8Array[] = [];
      let length = 0;
      try {
        for await (const chunk of response.body ?? []) {
          received(chunk.length);
          chunks.push(chunk);
          length += chunk.length;
          if (length > MAX_BYTES)
            throw new HubError(`the Hub's answer for ${what} has over ${MAX_BYTES} bytes`, 'check HF_ENDPOINT');
        }
      } catch (error) {
        if (error instanceof HubError || signal.aborted) throw error;
        throw new Transient(new HubError(`the Hub's answer for ${what} breaks off`, 'try again later', error));
      }
      return { body: Buffer.concat(chunks), headers: response.headers };
    }),
  );
}

/** The URL in `Link: <…>; rel="next"`; undefined if it leads to another host. */
function nextPage(headers: Headers, from: URL): URL | undefined {
  const next = /<([^>]+)>;\s*rel="?next"?/u.exec(headers.get('link') ?? '')?.[1];
  if (next === undefined || !URL.canParse(next, from.href)) return undefined;
  const url = new URL(next, from);
  return url.origin === from.origin ? url : undefined;
}
