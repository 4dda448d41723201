import { decodeText } from '../../disk/text.ts';
import { UsageError } from '../../errors.ts';
import type { Member } from './members.ts';
import { sampleName } from './sample.ts';

/** Reads the members of a sample that are added to its rows: a caption, a label or a JSON object, by extension. */
export type Carried = Readonly<Record<string, unknown>>;

/** The largest text, in bytes. */
const MAX_TEXT_BYTES = 1_000_000;

/** @throws UsageError if a text is not a list of extensions */
export function parseCarry(text: string): readonly string[] {
  const extensions = text.split(',').map((one) => one.trim().replace(/^\./u, '').toLowerCase());
  if (extensions.every((one) => /^[a-z0-9][a-z0-9_.-]{0,30}$/u.test(one))) return extensions;
  throw new UsageError(`${JSON.stringify(text)} is not a list of extensions`, 'use --carry txt,json');
}

/** Whether the text of a member with this name is added. */
export function isCarried(name: string, carry: readonly string[]): boolean {
  return carry.includes(sampleName(name)?.extension ?? '');
}

/**
 * The texts of a sample. `.json` is parsed. A member that is too long or invalid is null.
 *
 * @returns a value for each extension, null if the sample has no such member
 */
export function carriedBy(members: readonly Member[], carry: readonly string[]): Carried {
  return Object.fromEntries(
    carry.map((extension) => {
      const member = members.find(({ name }) => sampleName(name)?.extension === extension);
      return [extension, member?.kind === 'file' ? textOf(member.bytes, extension) : null];
    }),
  );
}

function textOf(bytes: Buffer, extension: string): unknown {
  if (bytes.length > MAX_TEXT_BYTES) return null;
  try {
    const text = decodeText(bytes);
    return /(^|\.)json$/u.test(extension) ? JSON.parse(text) : text;
  } catch {
    return null;
  }
}
