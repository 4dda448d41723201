import { type Digest, etagDigest, toDigest } from '../disk/digest.ts';
import { HubError } from '../errors.ts';
import { getJson } from './json.ts';
import { checkListedPath, hubUrl, isCommit } from './names.ts';
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

/** What a repository holds at one commit. */
export interface Listing {
  readonly repo: string;
  readonly revision: string;
  readonly commit: string;
  readonly paths: ReadonlySet<string>;
  /** Size and digest of a file, from the listing or, where it does not tell them, from the file's own headers. */
  describe(path: string): Promise<ListedFile>;
}

const MAX_PAGES = 50;

/**
 * Asks what a repository holds, before anything is fetched.
 *
 * @throws HubError if the hub does not say, MissingRepository if there is no such repository or revision
 */
export async function listRepository(hub: HubConnection, repo: string, revision: string): Promise<Listing> {
  const { endpoint } = hub.settings;
  const name = revision === 'main' ? repo : `${repo}@${revision}`;
  const { body: info } = await getJson(
    hub,
    new URL(`${hubUrl(endpoint, `api/models/${repo}/revision`)}/${encodeURIComponent(revision)}`),
    name,
  );
  const commit = field(info, 'sha');
  const siblings = field(info, 'siblings');
  if (typeof commit !== 'string' || !isCommit(commit) || !Array.isArray(siblings))
    throw new HubError(`the Hub's answer for ${name} contains no commit and files`, 'check HF_ENDPOINT');
  const paths = new Set(siblings.map((sibling) => checkListedPath(field(sibling, 'rfilename'), repo)));
  let tree: Promise<ReadonlyMap<string, ListedFile>> | undefined;
  return {
    repo,
    revision,
    commit,
    paths,
    async describe(path) {
      tree ??= readTree(hub, repo, commit);
      return (await tree).get(path) ?? readHeaders(hub, repo, commit, path);
    },
  };
}

/** Sizes and digests: for a file in LFS its sha256, else the sha1 of the git blob. */
async function readTree(hub: HubConnection, repo: string, commit: string): Promise<ReadonlyMap<string, ListedFile>> {
  const files = new Map<string, ListedFile>();
  let url: URL | undefined = hubUrl(hub.settings.endpoint, `api/models/${repo}/tree/${commit}`, '?recursive=true');
  try {
    for (let page = 0; url !== undefined && page < MAX_PAGES; page++) {
      const { body, next } = await getJson(hub, url, repo);
      if (!Array.isArray(body))
        throw new HubError(`the Hub's file list of ${repo} is not an array`, 'check HF_ENDPOINT');
      for (const entry of body) {
        if (field(entry, 'type') !== 'file') continue;
        const path = checkListedPath(field(entry, 'path'), repo);
        const lfs = field(entry, 'lfs');
        const digest = toDigest(field(lfs, 'oid') ?? field(entry, 'oid'));
        const size = field(lfs, 'size') ?? field(entry, 'size');
        if (digest !== undefined && isSize(size)) files.set(path, { path, size, digest });
      }
      url = next;
    }
  } catch (error) {
    if (!(error instanceof MissingRepository)) throw error; // a mirror without this listing: each file's headers tell
  }
  return files;
}

async function readHeaders(hub: HubConnection, repo: string, commit: string, path: string): Promise<ListedFile> {
  const what = `${repo}/${path}`;
  const url = hubUrl(hub.settings.endpoint, `${repo}/resolve/${commit}/${path}`);
  return retry(hub.patience, () =>
    untilStall(
      hub.patience,
      () => new HubError(`${what}: no answer`, 'try again later'),
      async (signal) => {
        const { hubHeaders, response } = await hub.send({ url, method: 'HEAD', signal, what });
        const digest = etagDigest(hubHeaders);
        const size = Number(hubHeaders.get('x-linked-size') ?? response.headers.get('content-length') ?? Number.NaN);
        if (digest === undefined || !isSize(size))
          throw new HubError(`the Hub sends no size and checksum for ${what}`, 'check HF_ENDPOINT');
        return { path, size, digest };
      },
    ),
  );
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
