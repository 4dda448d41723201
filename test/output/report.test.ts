import { describe, expect, it } from 'vitest';
import { ImageError } from '../../src/errors.ts';
import { type Evaluation, evaluate, type Judged } from '../../src/evaluate.ts';
import { report } from '../../src/output/report/page.ts';

const RUN = {
  model: 'tiny',
  provider: 'cpu',
  dtype: 'fp32',
  templates: ['a photo of a {}'],
  truth: 'data',
  seconds: 2,
};

/** The given number of images, each with a true and a predicted label by its number. */
async function evaluation(
  labels: readonly string[],
  count: number,
  truth: (n: number) => number,
  answer: (n: number) => number,
): Promise<Evaluation> {
  async function* judged(): AsyncGenerator<Judged> {
    for (let n = 0; n < count; n++) {
      const [label, score] = [labels[answer(n)] as string, 0.5 + (n % 50) / 100];
      const result = { ok: true as const, image: `${n}.png`, label, labels: [{ label, score }] };
      yield { result, truth: labels[truth(n)] as string };
    }
  }
  return evaluate(judged(), labels);
}
const count = (text: string, part: string) => text.split(part).length - 1;

describe('the report', () => {
  it('has no script, only data: addresses, and a policy that forbids others', async () => {
    const page = report(
      RUN,
      await evaluation(
        ['cat', 'dog'],
        10,
        (n) => n % 2,
        (n) => n % 3 && 1,
      ),
      new Map(),
    );
    expect(page).toContain(
      `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">`,
    );
    expect(page).not.toMatch(/<script|javascript:|\son\w+=|@import|<iframe|<object/i);
    expect(page.match(/\b(?:src|href)="(?!data:)/g)).toBeNull();
    expect(page.match(/url\((?!data:)/g)).toBeNull();
  });

  it('shows names as text, with any characters', async () => {
    const evil = '<script>alert("1")</script>&\'"\x1b[31m\u2028';
    const one = await evaluation(
      [evil, 'dog', '"><img src=x onerror=alert(1)>'],
      9,
      (n) => n % 3,
      (n) => (n + 1) % 3,
    );
    const mistakes = one.mistakes.map((mistake) => ({ ...mistake, image: `${evil}.png` }));
    const failures = [{ image: evil, truth: evil, ...new ImageError('E_DECODE', evil, evil) }].map((one) => ({
      ...one,
      message: evil,
    }));
    const page = report(
      { ...RUN, truth: evil, model: evil, templates: [evil] },
      { ...one, mistakes, failures, failed: 1 },
      new Map(),
    );
    expect(page).not.toMatch(/<script|<img src=x/);
    expect(page).not.toContain('\x1b');
    expect(page).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;');
  });

  it('draws every plot twice, for wide and narrow pages, with a description and a table', async () => {
    const page = report(
      RUN,
      await evaluation(
        ['cat', 'dog'],
        10,
        (n) => n % 2,
        () => 0,
      ),
      new Map(),
    );
    expect(count(page, '<svg')).toBe(2 * 4); // confusion, classes, reliability and its histogram
    expect(
      page.match(/<svg[^>]*aria-label="[^"]+"[^>]*role="img"|<svg[^>]*role="img"[^>]*aria-label="[^"]+"/g),
    ).toHaveLength(8);
    expect(count(page, '<table')).toBe(3);
  });

  it('shows the most confused of 300 classes, and names the number of others', async () => {
    const labels = Array.from({ length: 300 }, (_, n) => `class ${n}`);
    // Class 7 is most often confused with 8; every other class sometimes with the next one.
    const one = await evaluation(
      labels,
      3_000,
      (n) => (n % 3 === 0 ? 7 : n % 300),
      (n) => (n % 3 === 0 ? 8 : (n + (n % 2)) % 300),
    );
    const page = report(RUN, one, new Map());
    const shown = page.matchAll(
      /Shown are the (\d+) classes of the commonest confusions; the other (\d+) are left out\. \d+ of \d+ mistakes lie/gu,
    );
    const [wide = [], narrow = []] = [...shown].map(([, drawn, others]) => [Number(drawn), Number(others)]);
    expect(wide[0]).toSatisfy((count: number) => count === 24 || count === 25);
    expect(narrow[0]).toSatisfy((count: number) => count >= 10 && count <= 14); // what fits beside the names on a telephone
    expect((wide[0] ?? 0) + (wide[1] ?? 0)).toBe((narrow[0] ?? 0) + (narrow[1] ?? 0));
    expect(page).toMatch(/class 7 taken for class 8: 10\d\d/);
    expect(page).toMatch(/Shown are the 40 with the lowest recall of \d+; the table has all\./);
    expect(page.length).toBeLessThan(500_000);
    // The table of the classes has all of them.
    expect(count(/<section id="classes"[\s\S]*?<\/section>/.exec(page)?.[0] ?? '', '<th scope="row">')).toBe(300);
  });

  it('says that no threshold is needed if all labels together are right often enough', async () => {
    const point = { threshold: 0, coverage: 1, precision: 0.97 };
    const coverage = { curve: [point], target: 0.95, chosen: point };
    const one = await evaluation(
      ['cat', 'dog'],
      10,
      (n) => n % 2,
      (n) => n % 2,
    );
    expect(report(RUN, one, new Map(), { coverage })).toMatch(/No threshold is needed for a precision of 95\.0 %/u);
    const chosen = { ...point, threshold: 0.25 };
    const page = report(RUN, one, new Map(), { coverage: { ...coverage, chosen } });
    expect(page).toMatch(/chooses <code>--threshold 0\.250<\/code>/u);
  });

  it('can be drawn if every image failed', async () => {
    const failed = new ImageError('E_DECODE', 'x.png is empty', 'fetch it again');
    async function* judged(): AsyncGenerator<Judged> {
      yield { result: { ok: false, image: 'x.png', error: failed }, truth: 'cat' };
    }
    const page = report(RUN, await evaluate(judged(), ['cat', 'dog']), new Map());
    expect(page).toContain('x.png is empty; fetch it again');
    expect(page).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('shows the given pictures, and says which are missing', async () => {
    const page = report(
      RUN,
      await evaluation(
        ['cat', 'dog'],
        2,
        () => 0,
        () => 1,
      ),
      new Map([['1.png', 'data:image/webp;base64,AAAA']]),
    );
    expect(page).toContain('<img src="data:image/webp;base64,AAAA" alt="cat, taken for dog">');
    expect(count(page, 'no picture')).toBe(1);
  });
});
