import { otherScheme, shortAddress } from '../../disk/address.ts';
import { withoutCredentials } from '../../network/url.ts';
import type { Path } from '../path.ts';

const WEB = /^https?:\/\//iu;

/** Compressions that are not supported are among them: their error has advice. */
const TAR = /\.(tar|tar\.(gz|zstd?|bz2|xz|lz4)|tgz|tzst|tbz2?|txz)$/iu;

/** Whether a path or an address names a tar. */
export function isTarName(path: Path): boolean {
  return TAR.test(WEB.test(path) ? path.replace(/[?#].*$/su, '') : path);
}

/** Programs that write an object to standard output. */
const PROGRAMS: Readonly<Record<string, readonly [before: string, after: string]>> = {
  http: ['curl -fsSL', ''],
  https: ['curl -fsSL', ''],
  s3: ['aws s3 cp', ' -'],
  gs: ['gcloud storage cat', ''],
  hdfs: ['hdfs dfs -cat', ''],
};

/** Why a tar at an address is not read, and what to do; undefined for a path or a `file:` address. */
export function notRead(path: Path): { readonly fact: string; readonly nextStep: string } | undefined {
  const scheme = WEB.exec(path)?.[0].slice(0, -3).toLowerCase() ?? otherScheme(path)?.scheme;
  if (scheme === undefined) return undefined;
  const address = shortAddress(withoutCredentials(path));
  const [before, after] = PROGRAMS[scheme] ?? [];
  return {
    fact: `${address} is an address, and tars are read from files and from standard input`,
    nextStep:
      before === undefined ? 'download it first' : `use ${before} '${address}'${after} | clip-classify … --tar -`,
  };
}
