import { decodeText } from '../../disk/text.ts';
import { UsageError } from '../../errors.ts';
import type { Member } from './members.ts';
import { sampleName } from './sample.ts';

/** Members of a sample that its rows carry along, by their extensions: a caption, a label, a JSON object. */
export type Carried = Readonly<Record<string, unknown>>;

/** Larger texts are no captions. */
const MAX_TEXT_BYTES = 1_000_000;

/** @throws UsageError if a text is no list of extensions */
export function parseCarry(text: string): readonly string[] {
  const extensions = text.split(',').map((one) => one.trim().replace(/^\./u, '').toLowerCase());
  if (extensions.every((one) => /^[a-z0-9][a-z0-9_.-]{0,30}$/u.test(one))) return extensions;
  throw new UsageError(`${JSON.stringify(text)} is not a list of extensions`, 'use --carry txt,json');
}

/** Whether a member of this name is carried along. */
export function isCarried(name: string, carry: readonly string[]): boolean {
  return carry.includes(sampleName(name)?.extension ?? '');
}

/**
 * The texts of a sample; `.json` is parsed. What is too long, no text or no JSON is null.
 *
 * @returns a value for each extension that is carried, null if the sample lacks it
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
