import type { Path } from '../path.ts';
import type { Member } from './members.ts';

/** The parts of a name in WebDataset. */
export interface SampleName {
  /** The path up to the first dot of its last part. Neighbours with the same key are one sample. */
  readonly key: string;
  /** The rest after that dot, in lower case. */
  readonly extension: string;
}

/**
 * Divides the name of a member (webdataset, tariterators.py).
 *
 * @returns undefined for names that WebDataset skips: without a dot, with a dot at the start, or `__…__`
 */
export function sampleName(name: Path): SampleName | undefined {
  const slash = name.lastIndexOf('/') + 1;
  const dot = name.indexOf('.', slash);
  if (dot <= slash || /^__.*__$/u.test(name.slice(slash))) return undefined;
  return { key: name.slice(0, dot), extension: name.slice(dot + 1).toLowerCase() };
}

/** Neighbours in a tar that belong together, such as a picture and its caption. */
export interface Sample {
  readonly key: string;
  readonly members: readonly Member[];
}

/** Joins neighbours with the same key. Only neighbours are joined, so that at most one sample is in memory. */
export async function* samplesOf(members: AsyncIterable<Member>): AsyncGenerator<Sample> {
  let sample: { key: string; members: Member[] } | undefined;
  for await (const member of members) {
    const key = sampleName(member.name)?.key;
    if (key === undefined) continue;
    if (sample !== undefined && sample.key === key) sample.members.push(member);
    else {
      if (sample !== undefined) yield sample;
      sample = { key, members: [member] };
    }
  }
  if (sample !== undefined) yield sample;
}
