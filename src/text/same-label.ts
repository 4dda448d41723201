/** Characters that nobody sees: zero-width spaces, direction marks, soft hyphens, byte-order marks, tags, controls. */
const INVISIBLE =
  /[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0080}-\u{e0fff}]|\u034f|(?!\s)\p{Cc}/u;
/** Joiners, variation selectors and tags mean something in emoji and in some scripts; behind these characters they do not. */
const STRAY =
  /(?<=^|[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\s])(?:\u200c|\u200d|[\ufe00-\ufe0f])|(?<!\u{1f3f4}[\u{e0020}-\u{e007f}]*)[\u{e0000}-\u{e007f}]/u;
const UNSEEN = new RegExp(`${INVISIBLE.source}|${STRAY.source}`, 'u');
const AT_THE_ENDS = new RegExp(`^(?:${UNSEEN.source}|\\s)+|(?:${UNSEEN.source}|\\s)+$`, 'gu');

/** Most labels: nothing to trim, nothing hidden. The patterns above take microseconds for each label, and there may be a million. */
const PLAIN = /^[!-~](?:[ -~]*[!-~])?$/u;

/** A label for comparison: case, kinds of white space and the Unicode normal form (é as one character or two) do not count. */
export function foldLabel(label: string): string {
  return trimLabel(label).replace(/\s+/gu, ' ').normalize('NFC').toLowerCase();
}

/** A label without white space and invisible characters at its ends. */
export function trimLabel(label: string): string {
  return PLAIN.test(label) ? label : label.replace(AT_THE_ENDS, '');
}

/** The invisible character in a label, such as U+200B; undefined if there is none. */
export function invisibleIn(label: string): string | undefined {
  if (PLAIN.test(label)) return undefined;
  const found = UNSEEN.exec(label)?.[0].codePointAt(0);
  return found === undefined ? undefined : `U+${found.toString(16).toUpperCase().padStart(4, '0')}`;
}
