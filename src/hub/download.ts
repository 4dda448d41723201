import { ChecksumError, HubError } from '../errors.ts';
import { claimedDigest, isEncoded, lengthOf, strongEtag } from './claims.ts';
import type { ListedFile } from './listing.ts';
import type { PartialFile } from './partial-file.ts';
import { retry, Transient, untilStall } from './retry.ts';
import { type Answer, connectionError, type HubConnection } from './transport.ts';

/** The first line of a Git LFS pointer, which git stores in place of a large file. */
const LFS_POINTER = 'version https://git-lfs.github.com/spec/';
/** The largest pointer, in bytes. */
const MAX_POINTER = 1024;

export interface Download {
  readonly file: ListedFile;
  readonly url: URL;
  /** `org/name` */
  readonly repo: string;
  /** The name of the file in messages, and how to download it again. */
  readonly what: string;
  readonly nextStep: string;
  /** @param bytes number of new bytes; negative if bytes were discarded */
  readonly onBytes: (bytes: number) => void;
}

/**
 * Downloads the rest of a file, and continues after interruptions, until size and digest are right.
 *
 * @returns the sha256 of the file
 * @throws ChecksumError if the complete file has another digest, HubError for any other answer
 */
export async function download(hub: HubConnection, partial: PartialFile, wanted: Download): Promise<string> {
  const { file, what } = wanted;
  let served: string | undefined; // the ETag of the bytes that we have
  return retry(hub, async () => {
    const resumed = partial.size > 0;
    if (partial.size < file.size) {
      const stalled = () =>
        new HubError(
          `${what} stalls at byte ${partial.size} of ${file.size}`,
          'pull again: the download continues there',
        );
      await untilStall(hub, stalled, async (signal, received) => {
        const range = resumed && {
          range: `bytes=${partial.size}-`,
          ...(served !== undefined && { 'if-range': served }),
        };
        const answer = await hub.send({ url: wanted.url, headers: { ...range }, signal, repo: wanted.repo, what });
        await checkAnswer(answer, partial, wanted);
        served = strongEtag(answer.response.headers);
        await receive(answer.response, partial, wanted, signal, received);
      });
    }
    const actual = partial.digests();
    if (actual.hub === file.digest.hex) return actual.sha256;
    await discard(partial, wanted);
    const wrong = new ChecksumError(
      `checksum mismatch for ${what}: ${file.digest.algorithm} is ${actual.hub}, expected ${file.digest.hex}`,
      wanted.nextStep,
    );
    throw resumed ? new Transient(wrong, 0) : wrong;
  });
}

/** Refuses an answer that cannot be the file, before a byte is written. Discards the partial file if the server sends the whole file. */
async function checkAnswer({ response, claim }: Answer, partial: PartialFile, wanted: Download): Promise<void> {
  const { file, what } = wanted;
  const refuse = async (error: HubError | Transient) => {
    await response.body?.cancel();
    throw error;
  };
  const told = claim && claimedDigest(claim);
  if (told !== undefined && told.algorithm === file.digest.algorithm && told.hex !== file.digest.hex) {
    await discard(partial, wanted);
    const fact = `the Hub serves ${what} with checksum ${told.hex}, its listing says ${file.digest.hex}`;
    await refuse(new Transient(new HubError(fact, 'try again later')));
  }
  if (/^text\/html\b/iu.test(response.headers.get('content-type') ?? '')) {
    const fact = `a web page came instead of ${what}`;
    await refuse(new HubError(fact, 'check HF_ENDPOINT; a proxy or a login page may have answered instead'));
  }
  if (response.status !== 206) {
    await discard(partial, wanted); // Range is not known there, or the file has changed: the whole file comes
    if (response.status === 416)
      await refuse(new Transient(new HubError(`the download of ${what} cannot be resumed`, 'try again'), 0));
  } else if (rangeStart(response.headers) !== partial.size || isEncoded(response.headers)) {
    const range = response.headers.get('content-range');
    await discard(partial, wanted);
    await refuse(new Transient(new HubError(`${what} continues at the wrong place: ${range}`, 'try again later'), 0));
  }
  const length = lengthOf(response.headers);
  const promised = length === undefined ? file.size : length + partial.size;
  if (promised > file.size || (promised < file.size && promised > MAX_POINTER)) {
    const fact = `${what} comes with ${promised} bytes, it should have ${file.size}`;
    await discard(partial, wanted);
    await refuse(new Transient(new HubError(fact, 'try again later')));
  }
}

async function receive(
  response: Response,
  partial: PartialFile,
  wanted: Download,
  signal: AbortSignal,
  received: (bytes: number) => void,
): Promise<void> {
  const { file, what } = wanted;
  try {
    for await (const chunk of response.body ?? []) {
      if (partial.size + chunk.length > file.size) {
        await discard(partial, wanted);
        throw new Transient(new HubError(`${what} is larger than the expected ${file.size} bytes`, 'try again later'));
      }
      received(chunk.length);
      await partial.append(chunk);
      wanted.onBytes(chunk.length);
    }
  } catch (error) {
    if (error instanceof Transient || signal.aborted || isDiskError(error)) throw error;
    throw connectionError(wanted.url, error);
  }
  if (partial.size === file.size) return;
  if (partial.size <= MAX_POINTER && (await partial.head(LFS_POINTER.length)) === LFS_POINTER) {
    await discard(partial, wanted);
    throw new HubError(`a Git LFS pointer came instead of ${what}`, 'check HF_ENDPOINT: it must serve LFS files');
  }
  throw new Transient(
    new HubError(`${what} ends at byte ${partial.size} of ${file.size}`, 'pull again: the download continues there'),
  );
}

async function discard(partial: PartialFile, { onBytes }: Download): Promise<void> {
  onBytes(-partial.size);
  await partial.reset();
}

function rangeStart(headers: Headers): number | undefined {
  const start = /^bytes (\d+)-/u.exec(headers.get('content-range') ?? '')?.[1];
  return start === undefined ? undefined : Number(start);
}

/** Node's errors of the file system name their system call. */
function isDiskError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && error.syscall !== 'read';
}
