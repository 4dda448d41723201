import * as v from 'valibot';
import { type Digest, toDigest } from '../disk/digest.ts';
import { HubError } from '../errors.ts';
import { claimedDigest, etagOf, lengthOf } from './claims.ts';
import { getBytes, getJson } from './json.ts';
import { hubUrl, isCommit, isListedPath } from './names.ts';
import { retry, untilStall } from './retry.ts';
import { MissingRepository } from './status.ts';
import type { HubConnection } from './transport.ts';

/** A file of a repository. */
export interface ListedFile {
  readonly path: string;
  /** bytes */
  readonly size: number;
  readonly digest: Digest;
}

/** The files of a repository at one commit. */
export interface Listing {
  readonly repo: string;
  readonly revision: string;
  readonly commit: string;
  readonly paths: ReadonlySet<string>;
  /** Size and digest of a file, from the listing or, if the listing does not have them, from the file's own headers. */
  describe(path: string): Promise<ListedFile>;
}

const MAX_PAGES = 50;
const Size = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** What the Hub tells of a revision; a mirror may leave sizes and digests out. */
const Revision = v.object({
  sha: v.pipe(v.string(), v.check(isCommit)),
  siblings: v.array(
    v.object({
      rfilename: v.string(),
      size: v.optional(v.fallback(v.optional(Size), undefined)),
      blobId: v.optional(v.unknown()),
      lfs: v.optional(
        v.fallback(v.nullish(v.object({ sha256: v.optional(v.unknown()), size: v.optional(Size) })), null),
      ),
    }),
  ),
});
const Tree = v.array(
  v.object({
    type: v.string(),
    path: v.string(),
    size: v.optional(v.unknown()),
    oid: v.optional(v.unknown()),
    lfs: v.optional(v.nullish(v.object({ oid: v.optional(v.unknown()), size: v.optional(v.unknown()) }))),
  }),
);

/**
 * Lists the files of a repository before anything is downloaded.
 *
 * @throws HubError if the Hub does not answer, MissingRepository if there is no such repository or revision
 */
export async function listRepository(hub: HubConnection, repo: string, revision: string): Promise<Listing> {
  const { endpoint } = hub.settings;
  const what = revision === 'main' ? repo : `${repo}@${revision}`;
  const url = new URL(`${hubUrl(endpoint, `api/models/${repo}/revision`)}/${encodeURIComponent(revision)}?blobs=true`);
  const { body } = await getJson(hub, { url, repo, what });
  const info = v.safeParse(Revision, body);
  if (!info.success) throw new HubError(`the Hub's answer for ${what} has no commit and files`, 'check HF_ENDPOINT');
  const { sha: commit, siblings } = info.output;
  const listed = siblings.filter(({ rfilename }) => isListedPath(rfilename, repo));
  const known = new Map<string, ListedFile>();
  for (const { rfilename: path, size, blobId, lfs } of listed)
    addFile(known, path, lfs?.size ?? size, lfs?.sha256 ?? blobId);
  let tree: Promise<ReadonlyMap<string, ListedFile>> | undefined;
  return {
    repo,
    revision,
    commit,
    paths: new Set(listed.map(({ rfilename }) => rfilename)),
    async describe(path) {
      const there = known.get(path);
      if (there !== undefined) return there;
      tree ??= readTree(hub, repo, commit);
      return (await tree).get(path) ?? readHeaders(hub, repo, commit, path);
    },
  };
}

/** @param digest of a file in LFS its sha256, else the sha1 of the git blob */
function addFile(files: Map<string, ListedFile>, path: string, size: unknown, digest: unknown): void {
  const parsed = toDigest(digest);
  if (parsed !== undefined && v.is(Size, size)) files.set(path, { path, size, digest: parsed });
}

/** Sizes and digests from the other listing, which mirrors leave out. */
async function readTree(hub: HubConnection, repo: string, commit: string): Promise<ReadonlyMap<string, ListedFile>> {
  const files = new Map<string, ListedFile>();
  let url: URL | undefined = hubUrl(hub.settings.endpoint, `api/models/${repo}/tree/${commit}`, '?recursive=true');
  try {
    for (let page = 0; url !== undefined && page < MAX_PAGES; page++) {
      const { body, next } = await getJson(hub, { url, repo, what: repo });
      const entries = v.safeParse(Tree, body);
      if (!entries.success) throw new HubError(`the Hub's file list of ${repo} is not a list`, 'check HF_ENDPOINT');
      for (const { type, path, size, oid, lfs } of entries.output)
        if (type === 'file' && isListedPath(path, repo)) addFile(files, path, lfs?.size ?? size, lfs?.oid ?? oid);
      url = next;
    }
  } catch (error) {
    if (!(error instanceof MissingRepository)) throw error; // a mirror without this listing: the headers of each file tell
  }
  return files;
}

/** Size and digest from the answers on the way to a file: X-Linked-Etag of a large file, else the ETag of the file itself. */
async function readHeaders(hub: HubConnection, repo: string, commit: string, path: string): Promise<ListedFile> {
  const what = `${repo}/${path}`;
  const url = hubUrl(hub.settings.endpoint, `${repo}/resolve/${commit}/${path}`);
  const silent = () => new HubError(`the Hub does not answer for ${what}`, 'try again later');
  const { response, claim } = await retry(hub, () =>
    untilStall(hub, silent, (signal) => hub.send({ url, method: 'HEAD', signal, repo, what })),
  );
  const linked = claim && claimedDigest(claim);
  const digest = linked ?? toDigest(etagOf(response.headers));
  if (digest === undefined || (linked === undefined && digest.algorithm === 'sha256'))
    // 64 hex digits in a plain ETag may be a checksum of another kind (the CDN's own)
    throw new HubError(`the Hub does not tell the size and checksum of ${what}`, 'check HF_ENDPOINT');
  const size = Number(
    claim?.get('x-linked-size') ?? lengthOf(response.headers) ?? (await countBytes(hub, { url, repo, what })),
  );
  if (!v.is(Size, size)) throw new HubError(`the Hub does not tell the size of ${what}`, 'check HF_ENDPOINT');
  return { path, size, digest };
}

/** The size of a small file, which is downloaded because the server does not send its length. */
async function countBytes(hub: HubConnection, wanted: Parameters<typeof getBytes>[1]): Promise<number> {
  return (await getBytes(hub, wanted)).body.length;
}
