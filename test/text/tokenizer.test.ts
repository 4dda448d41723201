import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { loadTokenizer } from '../../src/text/tokenizer.ts';
import golden from '../golden/tokens.json' with { type: 'json' };
import { fixture, hasShared, shared } from '../paths.ts';

// Integers, so no tolerance.
describe(`tokens are those of ${golden.source}`, async () => {
  const tokenizer = await loadTokenizer(fixture('tiny-class'), 1000);
  it.each(golden.cases)('$text', ({ text, ids }) => {
    expect(tokenizer.encode(text)).toEqual({ ids, truncated: false });
  });
});

describe('loadTokenizer', () => {
  it('cuts at the context and keeps the end of text', async () => {
    const whole = (await loadTokenizer(fixture('tiny-class'), 77)).encode('cat '.repeat(30)).ids;
    const { ids, truncated } = (await loadTokenizer(fixture('tiny-class'), 10)).encode('cat '.repeat(30));
    expect(truncated).toBe(true);
    expect(ids).toEqual([...whole.slice(0, 9), whole.at(-1)]);
  });

  it('keeps a prompt that just fits', async () => {
    const { ids } = (await loadTokenizer(fixture('tiny-class'), 77)).encode('cat dog');
    expect((await loadTokenizer(fixture('tiny-class'), ids.length)).encode('cat dog')).toEqual({
      ids,
      truncated: false,
    });
  });

  it.each(['a <|endoftext|> b', '&lt;|startoftext|&gt;'])('finds the control token in %s', async (text) => {
    expect((await loadTokenizer(fixture('tiny-class'), 77)).specialTokenIn(text)).toMatch(/^<\|(start|end)oftext\|>$/);
  });

  it('names a tokenizer.json that is missing', async () => {
    await expect(loadTokenizer(fixture('images'), 77)).rejects.toMatchObject({
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
      const tokenizer = await loadTokenizer(`${shared}reference/checkpoints/tiny-patch16`, 1_000_000);
      expect(cases.length).toBeGreaterThan(200);
      for (const { text, ids } of cases) expect(tokenizer.encode(text).ids, text).toEqual(ids);
    });
  },
);
