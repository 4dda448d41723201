import { VIT_B_32 } from './tensors.ts';

/** What of a tokenizer.json is changed here. */
interface TokenizerJson {
  readonly added_tokens: readonly { readonly content: string; readonly id: number }[];
  readonly post_processor: unknown;
  readonly model: { readonly vocab: Readonly<Record<string, number>>; readonly merges: readonly string[] };
}

/**
 * A tokenizer as large as CLIP's, so that opening it costs what it costs there: the merges of a small one, and made-up
 * ones after them.
 *
 * @param small a tokenizer.json with a byte-level BPE and the special tokens at its end
 */
export function fullSizeTokenizer(small: string): string {
  const json = JSON.parse(small) as TokenizerJson;
  const [start, end] = json.added_tokens;
  if (start === undefined || end === undefined) throw new TypeError('the tokenizer has no start and end of text');
  const specials = [start.content, end.content];
  const tokens = Object.keys(json.model.vocab).filter((token) => !specials.includes(token));
  const merges = [...json.model.merges];
  const known = new Set(tokens);
  const wanted = VIT_B_32.text.vocabulary - specials.length;
  const parts = tokens.filter((token) => !token.endsWith('</w>'));
  for (const left of [...parts].reverse()) {
    for (const right of parts) {
      if (tokens.length === wanted) break;
      if (known.has(left + right)) continue;
      known.add(left + right);
      tokens.push(left + right);
      merges.push(`${left} ${right}`);
    }
  }
  const ids = new Map([...tokens, ...specials].map((token, id) => [token, id]));
  const vocab = Object.fromEntries(ids);
  const added = json.added_tokens.map((token) => ({ ...token, id: ids.get(token.content) }));
  const text = JSON.stringify(json.post_processor)
    .replaceAll(`,${start.id}]`, `,${ids.get(start.content)}]`)
    .replaceAll(`,${end.id}]`, `,${ids.get(end.content)}]`);
  return JSON.stringify({
    ...json,
    added_tokens: added,
    post_processor: JSON.parse(text),
    model: { ...json.model, vocab, merges },
  });
}
