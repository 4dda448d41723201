import type { View } from '../view.ts';
import type { RawFile } from './preview.ts';

/** The start of an excerpt of a RAW file. A line of JSON and the JPEG follow. Only this program makes and reads excerpts. */
export const EXCERPT = 'clip-classify RAW excerpt\n';
const LONGEST_LINE = 200;

/** The RAW file of an excerpt; undefined if the file is not an excerpt. */
export function excerptIn(view: View): RawFile | undefined {
  const letters: string[] = [];
  for (let at = 0; at < Math.min(view.byteLength, LONGEST_LINE); at++) {
    letters.push(String.fromCharCode(view.getUint8(at)));
    if (at < EXCERPT.length && letters[at] !== EXCERPT[at]) return undefined;
  }
  const end = letters.indexOf('\n', EXCERPT.length);
  if (end < 0) return undefined;
  const said = parseSaid(letters.slice(EXCERPT.length, end).join(''));
  if (said === undefined) return undefined;
  const { kind, orientation, landscape } = said;
  return {
    kind: String(kind),
    ...(typeof orientation === 'number' && { orientation }),
    ...(typeof landscape === 'boolean' && { landscape }),
    candidates: [{ at: end + 1, length: view.byteLength - end - 1 }],
  };
}

function parseSaid(line: string): Partial<RawFile> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined; // not written by this program
  }
}
