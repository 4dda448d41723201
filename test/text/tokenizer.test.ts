import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadTokenizer, type TextShape } from '../../src/text/tokenizer.ts';
import golden from '../golden/tokens.json' with { type: 'json' };
import { fixture, hasShared, shared } from '../paths.ts';

interface Json {
  readonly model: { readonly vocab: Record<string, number> };
}
const mapValues = (object: object, value: unknown) =>
  Object.fromEntries(Object.keys(object).map((key) => [key, value]));
const shape = (context: number, vocabulary = 600): TextShape => ({
  context,
  vocabulary,
  pooling: { at: 'greatest id' },
  cleaning: 'openai',
  padding: 'none',
});

// Integers, so no tolerance.
describe(`tokens are those of ${golden.source}`, async () => {
  const tokenizer = await loadTokenizer(fixture('tiny-class'), shape(1000));
  it.each(golden.cases)('$text', ({ text, ids }) => {
    expect(tokenizer.encode(text)).toEqual({ ids, truncated: false });
  });
});

describe('loadTokenizer', () => {
  it('truncates at the context and keeps the end-of-text token', async () => {
    const whole = (await loadTokenizer(fixture('tiny-class'), shape(77))).encode('cat '.repeat(30)).ids;
    const { ids, truncated } = (await loadTokenizer(fixture('tiny-class'), shape(10))).encode('cat '.repeat(30));
    expect(truncated).toBe(true);
    expect(ids).toEqual([...whole.slice(0, 9), whole.at(-1)]);
  });

  it('keeps a prompt that just fits', async () => {
    const { ids } = (await loadTokenizer(fixture('tiny-class'), shape(77))).encode('cat dog');
    expect((await loadTokenizer(fixture('tiny-class'), shape(ids.length))).encode('cat dog')).toEqual({
      ids,
      truncated: false,
    });
  });

  it.each(['a <|endoftext|> b', '&lt;|startoftext|&gt;'])('finds the control token in %s', async (text) => {
    expect((await loadTokenizer(fixture('tiny-class'), shape(77))).specialTokenIn(text)).toMatch(
      /^<\|(start|end)oftext\|>$/,
    );
  });

  it('refuses a tokenizer with more tokens than the model', async () => {
    await expect(loadTokenizer(fixture('tiny-class'), shape(77, 599))).rejects.toThrow(
      /token id 599, but the model has a vocabulary of 599/,
    );
  });

  it('pads and lower-cases for SigLIP, which attends to the padding', async () => {
    const siglip: TextShape = {
      ...shape(12),
      pooling: { at: 'last token' },
      cleaning: 'siglip2',
      padding: { to: 'context', id: 'pad_token', side: 'right', seen: true },
    };
    const { ids } = (await loadTokenizer(fixture('tiny-class'), shape(77))).encode('a cat.');
    const tokenizer = await loadTokenizer(fixture('tiny-siglip'), siglip);
    expect(tokenizer.encode(' A  Cat.').ids).toEqual([...ids, ...Array<number>(12 - ids.length).fill(0)]);
    await expect(loadTokenizer(fixture('tiny-class'), siglip)).rejects.toThrow(
      /pad_token in tokenizer_config.json .* is not a token/,
    );
  });

  it('refuses a tokenizer with another end-of-text token', async () => {
    const elsewhere: TextShape = { ...shape(77), pooling: { at: 'end of text', id: 7 } };
    await expect(loadTokenizer(fixture('tiny-class'), elsewhere)).rejects.toThrow(
      /makes \[.*\] of "a photo of 1 dog!", .* and the end of text 7 at the end/,
    );
  });

  it.each([
    ['without an end of text', (t: Json) => ({ ...t, post_processor: null })],
    [
      'with ids that are no numbers',
      (t: Json) => ({ ...t, model: { ...t.model, vocab: mapValues(t.model.vocab, 'z') } }),
    ],
    ['with negative ids', (t: Json) => ({ ...t, model: { ...t.model, vocab: mapValues(t.model.vocab, -5) } })],
    ['of another kind', (t: Json) => ({ ...t, model: { type: 'Unigram', vocab: [['a', 0]] } })],
  ])('refuses a tokenizer %s', async (_, change) => {
    const folder = await mkdtemp(join(tmpdir(), 'tokenizer-'));
    const tokenizer = JSON.parse(await readFile(fixture('tiny-class/tokenizer.json'), 'utf8'));
    await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(change(tokenizer)));
    await expect(
      loadTokenizer(folder, { ...shape(77), pooling: { at: 'end of text', id: 599 } }),
    ).rejects.toMatchObject({ code: 'E_MODEL' });
    await rm(folder, { recursive: true });
  });

  it('names a tokenizer.json that is missing', async () => {
    await expect(loadTokenizer(fixture('images'), shape(77))).rejects.toMatchObject({
      code: 'E_MODEL',
      message: /tokenizer\.json/,
    });
  });
});

describe.skipIf(!hasShared)(
  "OpenAI's tokenizer on its own vocabulary (../shared; skipped where it is missing)",
  async () => {
    const { cases } = hasShared ? JSON.parse(await readFile(`${shared}reference/tokens.json`, 'utf8')) : { cases: [] };
    it('gives the same ids', async () => {
      const tokenizer = await loadTokenizer(`${shared}reference/checkpoints/tiny-patch16`, shape(1_000_000, 49408));
      expect(cases.length).toBeGreaterThan(200);
      for (const { text, ids } of cases) expect(tokenizer.encode(text).ids, text).toEqual(ids);
    });
  },
);
