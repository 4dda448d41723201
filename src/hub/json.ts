import { HubError, messageOf } from '../errors.ts';
import { retry, Transient, untilStall } from './retry.ts';
import type { HubConnection } from './transport.ts';

/** A listing of a CLIP's repository takes some kilobytes. */
const MAX_LISTING_BYTES = 20_000_000;

/**
 * One answer of the hub's API, and where its next page is.
 *
 * @throws HubError if it does not come, is too long or is no JSON
 */
export async function getJson(
  hub: HubConnection,
  url: URL,
  what: string,
): Promise<{ body: unknown; next: URL | undefined }> {
  const stalled = () => new HubError(`the Hub does not answer for ${what}`, 'try again later');
  return retry(hub.patience, () =>
    untilStall(hub.patience, stalled, async (signal, received) => {
      const { response } = await hub.send({ url, signal, what });
      const chunks: Uint8Array[] = [];
      let length = 0;
      try {
        for await (const chunk of response.body ?? []) {
          received(chunk.length);
          chunks.push(chunk);
          length += chunk.length;
          if (length > MAX_LISTING_BYTES)
            throw new HubError(
              `the Hub's file list of ${what} has more than ${MAX_LISTING_BYTES} bytes`,
              'check HF_ENDPOINT',
            );
        }
      } catch (error) {
        if (error instanceof HubError || signal.aborted) throw error;
        throw new Transient(new HubError(`the Hub's file list of ${what} is incomplete`, 'try again later', error));
      }
      try {
        return { body: JSON.parse(Buffer.concat(chunks).toString('utf8')), next: nextPage(response, url) };
      } catch (error) {
        throw new HubError(
          `the Hub's answer for ${what} is not JSON: ${messageOf(error)}`,
          'check HF_ENDPOINT; a proxy or login page may have answered',
          error,
        );
      }
    }),
  );
}

/** `Link: <…>; rel="next"`, taken only where it stays with the endpoint. */
function nextPage(response: Response, from: URL): URL | undefined {
  const next = /<([^>]+)>;\s*rel="?next"?/u.exec(response.headers.get('link') ?? '')?.[1];
  if (next === undefined || !URL.canParse(next, from.href)) return undefined;
  const url = new URL(next, from);
  return url.origin === from.origin ? url : undefined;
}
