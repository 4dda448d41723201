/**
 * How the library of a model cleans a text before the tokenizer gets it.
 *
 * - openai: HTML unescaped twice, white space collapsed (openai/CLIP, simple_tokenizer.py)
 * - open_clip: the same, after what ftfy does to quotes, ligatures and full-width letters
 * - open_clip lower: the same, then lower case
 * - canonical: open_clip's SigLIPs; the same, then underscores are spaces, no ASCII punctuation, lower case
 * - siglip: transformers' SigLIP 1; no ASCII punctuation, lower case; cased, if its tokenizer says so
 * - siglip2: transformers' SigLIP 2; lower case
 * - none: tokenizer.json does all cleaning
 */
export type Cleaning =
  | 'openai'
  | 'open_clip'
  | 'open_clip lower'
  | 'canonical'
  | 'siglip'
  | 'siglip cased'
  | 'siglip2'
  | 'none';

/** @param decodeHtml unescapes HTML entities once */
export function cleanerOf(cleaning: Cleaning, decodeHtml: (text: string) => string): (text: string) => string {
  const plain = (text: string) => decodeHtml(decodeHtml(text));
  switch (cleaning) {
    case 'openai':
      return (text) => collapse(plain(text));
    case 'open_clip':
      return (text) => collapse(plain(straighten(text)));
    case 'open_clip lower':
      return (text) => collapse(plain(straighten(text))).toLowerCase();
    case 'canonical':
      return (text) => {
        const spaced = plain(straighten(text)).replaceAll('_', ' ');
        return collapse(spaced.replace(ASCII_PUNCTUATION, '').toLowerCase());
      };
    case 'siglip':
      // google-research/big_vision, pp/ops_text.py: canonicalize
      return (text) => collapse(text.toLowerCase().replace(ASCII_PUNCTUATION, ''));
    case 'siglip cased':
      return (text) => collapse(text.replace(ASCII_PUNCTUATION, ''));
    case 'siglip2':
      return (text) => text.toLowerCase();
    case 'none':
      return (text) => text;
  }
}

const ASCII_PUNCTUATION = /[!-/:-@[-`{-~]/gu;

/** The repairs of ftfy that change ordinary labels: curly quotes, Latin ligatures, full-width letters and digits. */
function straighten(text: string): string {
  return text
    .replace(/[\u02bc\u2018-\u201b]/gu, "'")
    .replace(/[\u201c-\u201f]/gu, '"')
    .replace(/[\u0132\u0133\u0149\u01c4-\u01cc\u01f1-\u01f3\ufb00-\ufb04\ufb06\uff01-\uff5e\u3000]/gu, (one) =>
      one.normalize('NFKC'),
    );
}

/** Replaces white space by single spaces, and removes it at both ends. */
function collapse(text: string): string {
  return text.replace(PYTHON_SPACE, ' ').trim();
}

/** What `\s` matches in Python: with the separators U+001C to U+001F and U+0085, without U+FEFF. */
const PYTHON_SPACE = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/gu;
