import { HubError, UsageError } from '../errors.ts';

/** A repository of the Hub at a revision. */
export interface RepoRevision {
  /** `org/name` */
  readonly repo: string;
  /** A branch, a tag or a commit; undefined if none is given. */
  readonly revision: string | undefined;
}

/** The most characters of a name from outside, because names become part of paths and URLs. */
const MAX_NAME = 255;
const REPO_PART = /^[a-z0-9_]([\w.-]*[a-z0-9_])?$/iu;
const COMMIT = /^[0-9a-f]{40}$/u;

/**
 * Splits `org/name` or `org/name@revision`. The rules for names are those of huggingface_hub (utils/_validators.py).
 *
 * @throws UsageError if it cannot be the name of a repository
 */
export function parseRepo(text: string): RepoRevision {
  const at = text.indexOf('@');
  const repo = at < 0 ? text : text.slice(0, at);
  const revision = at < 0 ? undefined : text.slice(at + 1);
  const parts = repo.split('/');
  const isRepo =
    parts.length === 2 &&
    repo.length <= 96 &&
    parts.every((part) => REPO_PART.test(part)) &&
    !/--|\.\.|\.git$/u.test(repo);
  if (!isRepo || (revision !== undefined && !isRevision(revision))) {
    throw new UsageError(
      `${JSON.stringify(text.slice(0, MAX_NAME))} is not a valid repository name of the Hugging Face Hub`,
      'use a name from clip-classify models list, or org/name, or org/name@revision',
    );
  }
  return { repo, revision };
}

/** Whether a text looks like a repository, not like a name or a path. */
export function looksLikeRepo(text: string): boolean {
  return /^[^/\\.@][^/\\@]*\/[^/\\@]+(@.+)?$/u.test(text);
}

export function isCommit(revision: string): boolean {
  return COMMIT.test(revision);
}

/** A branch, tag, `refs/pr/1` or commit; it becomes a path under `refs/`. */
function isRevision(text: string): boolean {
  return isSafePath(text) && /^[\w./-]+$/u.test(text);
}

/**
 * Whether a path from a listing stays in its folder, also after percent-decoding. It must be relative, with `/` between its parts. It
 * must not contain a part `.` or `..`, a drive, a backslash or a control character.
 */
export function isSafePath(path: string): boolean {
  let decoded = path;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    // a lone "%" is a character like any other
  }
  return [path, decoded].every(
    (text) =>
      text.length > 0 &&
      text.length <= MAX_NAME &&
      !/[\\\p{Cc}]|^[a-z]:/iu.test(text) &&
      text.split('/').every((part) => part !== '' && part !== '.' && part !== '..'),
  );
}

/**
 * Whether a listed file may be downloaded. A file with an odd name (too long, or like a drive of Windows) is ignored, because the model
 * may not need it.
 *
 * @throws HubError if a name would leave its folder, because such a listing cannot be trusted
 */
export function isListedPath(path: string, repo: string): boolean {
  if (isSafePath(path)) return true;
  const parts = path.slice(0, 10 * MAX_NAME).split('/');
  const isOdd = !/[\\%\p{Cc}]/u.test(path) && !parts.some((part) => ['', '.', '..'].includes(part));
  if (isOdd) return false;
  throw new HubError(
    `the Hub lists a file called ${JSON.stringify(path.slice(0, MAX_NAME))} in ${repo}: refused`,
    'use another repository, or check HF_ENDPOINT',
  );
}

/** A URL of the Hub. Each part of the path is escaped. */
export function hubUrl(endpoint: string, path: string, query = ''): URL {
  return new URL(`${endpoint}/${path.split('/').map(encodeURIComponent).join('/')}${query}`);
}
