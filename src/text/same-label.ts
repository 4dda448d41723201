/** Invisible characters: zero-width spaces, direction marks, soft hyphens, byte-order marks. */
const INVISIBLE = /[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/u;
const AT_THE_ENDS = new RegExp(`^(?:${INVISIBLE.source}|\\s)+|(?:${INVISIBLE.source}|\\s)+$`, 'gu');

/** A label for comparison. Case and Unicode normal form (é as one character or two) make no difference. */
export function foldLabel(label: string): string {
  return trimLabel(label).normalize('NFC').toLowerCase();
}

/** A label without white space and invisible characters at its ends. */
export function trimLabel(label: string): string {
  return label.replace(AT_THE_ENDS, '');
}

/** The invisible character in a label, such as U+200B; undefined if there is none. */
export function invisibleIn(label: string): string | undefined {
  const found = INVISIBLE.exec(label)?.[0];
  return found && `U+${found.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
}
