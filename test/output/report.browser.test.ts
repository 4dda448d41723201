import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluate, type Judged } from '../../src/evaluate.ts';
import { report } from '../../src/output/report/page.ts';
import { cli } from '../cli/io.ts';
import { fixture } from '../paths.ts';

const BROWSER = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** Names that would do harm as markup. */
const CLASSES = ['cat', 'dog & <script>alert(1)<\u2215script>', '"><img src=x onerror=alert(1)>'];
const IMAGES = [
  'rgb.png',
  'odd.jpg',
  'grey.png',
  'palette.png',
  'page.tiff',
  'turned.jpg',
  'rgba.png',
  'progressive.jpg',
  'frame.gif',
];

/** A page in the browser, and what it did. */
interface Visit {
  readonly page: Page;
  readonly console: readonly string[];
  readonly requests: readonly string[];
}

describe.skipIf(BROWSER === undefined)('the report in a real browser (Chromium; skipped where it is missing)', () => {
  let folder: string;
  let address: string;
  let figures: Record<string, number> & {
    classes: {
      label: string;
      images: number;
      predicted: number;
      right: number;
      recall: number | null;
      precision: number | null;
    }[];
    bins: { images: number; accuracy: number | null; confidence: number | null }[];
    confusion: { truth: string; predicted: string; images: number }[];
    mistakes: { image: string; score: number }[];
    failures: unknown[];
  };
  let browser: Browser;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'report-'));
    for (const [n, name] of IMAGES.entries()) {
      const place = join(folder, 'data', CLASSES[n % 3] as string);
      await mkdir(place, { recursive: true });
      await copyFile(fixture(`images/${name}`), join(place, `<b>${name}`));
    }
    await writeFile(join(folder, 'data/cat/broken.png'), 'no image');
    const [page, json] = [join(folder, 'report.html'), join(folder, 'report.json')];
    const { code, stderr } = await cli([
      'eval',
      join(folder, 'data'),
      '-m',
      fixture('tiny-class'),
      '-o',
      page,
      '-o',
      json,
    ]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/9 ok, 1 failed\n$/)]);
    figures = JSON.parse(await readFile(json, 'utf8'));
    address = pathToFileURL(page).href;
    browser = await chromium.launch({ executablePath: BROWSER as string, args: FLAGS });
  }, 180_000);
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true });
  });

  async function visit(colorScheme: 'light' | 'dark', width: number, url = address): Promise<Visit> {
    const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } });
    const [lines, requests]: [string[], string[]] = [[], []];
    page.on('console', (message) => lines.push(message.text()));
    page.on('pageerror', (error) => lines.push(error.message));
    page.on('dialog', (dialog) => lines.push(dialog.message()));
    page.on('request', (request) => requests.push(request.url()));
    await page.goto(url);
    return { page, console: lines, requests };
  }

  const SIGHTS = (['light', 'dark'] as const).flatMap((scheme) =>
    [360, 768, 1600].map((width) => [scheme, width] as const),
  );

  it.each(SIGHTS)('%s, %i pixels wide: nothing is cut off, no console message, no request', async (scheme, width) => {
    const { page, console, requests } = await visit(scheme, width);
    await page.evaluate(`for (const one of document.querySelectorAll('details')) one.open = true`);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    // One of the two drawings of each plot is seen, and lies within the page or in a box that scrolls.
    const plots = await page.evaluate<{ width: number; scrolls: boolean; marks: number }[]>(`
      [...document.querySelectorAll('figure svg')].filter((svg) => svg.checkVisibility()).map((svg) => ({
        width: svg.getBoundingClientRect().right, scrolls: svg.closest('.scroll') !== null,
        marks: svg.querySelectorAll('rect, path, text').length }))`);
    expect(plots).toHaveLength(5);
    for (const plot of plots) {
      expect(plot.marks).toBeGreaterThan(5);
      if (!plot.scrolls) expect(plot.width).toBeLessThanOrEqual(width);
    }
    const pictures = await page.evaluate<number[]>(`[...document.images].map((image) => image.naturalWidth)`);
    expect(pictures).toHaveLength(figures.mistakes.length);
    expect(Math.min(...pictures)).toBeGreaterThan(0);
    expect(console).toEqual([]);
    expect(requests.filter((url) => !url.startsWith('data:'))).toEqual([address]);
    await page.close();
  });

  it.each([360, 1600])(
    'with 300 classes of long names, %i pixels wide, shows as many classes in the matrix as fit',
    async (width) => {
      const labels = Array.from({ length: 300 }, (_, n) => `class ${n} with an unreasonablylongnamethatcannotbebroken`);
      async function* judged(): AsyncGenerator<Judged> {
        for (let n = 0; n < 900; n++) {
          const label = labels[(n * 7) % 300] as string;
          const result = { ok: true as const, image: `${n}.png`, label, labels: [{ label, score: 0.5 }] };
          yield { result, truth: labels[n % 300] as string };
        }
      }
      const run = { model: 'tiny', provider: 'cpu', dtype: 'fp32', templates: ['{}'], truth: 'data', seconds: 1 };
      await writeFile(join(folder, 'large.html'), report(run, await evaluate(judged(), labels), new Map()));
      const { page, console } = await visit('light', width, pathToFileURL(join(folder, 'large.html')).href);
      await page.evaluate(`for (const one of document.querySelectorAll('details')) one.open = true`);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
      const box = await page.evaluate<[number, number]>(`
      (() => { const box = [...document.querySelectorAll('#confusion .scroll')].find((one) => one.checkVisibility());
        return [box.scrollWidth, box.clientWidth]; })()`);
      expect(box[0]).toBe(box[1]);
      expect(console).toEqual([]);
      await page.close();
    },
  );

  it('has a dark mode, in which texts have a contrast of at least 4.5', async () => {
    const grounds: string[] = [];
    for (const scheme of ['light', 'dark'] as const) {
      const { page } = await visit(scheme, 1600);
      grounds.push(await page.evaluate('getComputedStyle(document.body).backgroundColor'));
      await page.evaluate(`for (const one of document.querySelectorAll('details')) one.open = true`);
      const contrasts = await page.evaluate<[text: string, ratio: number][]>(CONTRASTS);
      expect(contrasts.length).toBeGreaterThan(100);
      expect(contrasts.filter(([, ratio]) => ratio < 4.5)).toEqual([]);
      await page.close();
    }
    expect(new Set(grounds).size).toBe(2);
  });

  it('shows the figures of the JSON', async () => {
    const { page } = await visit('light', 1600);
    for (const name of ['top1', 'top5', 'meanPerClassRecall', 'ece', 'images', 'failed', 'imagesPerSecond'])
      expect(Number(await page.getAttribute(`#${name} data`, 'value')), name).toBe(figures[name]);
    const rows = (id: string) =>
      page.evaluate<string[][]>(`
        [...document.querySelectorAll('#${id} tbody tr')].map((row) => [...row.cells].map((cell) =>
          cell.querySelector('data')?.value ?? cell.textContent))`);
    const text = (value: number | null) => (value === null ? '–' : String(value));
    expect(await rows('classes')).toEqual(
      figures.classes.map(({ label, images, predicted, right, recall, precision }) => [
        label,
        ...[images, predicted, right, recall, precision].map(text),
      ]),
    );
    expect((await rows('reliability')).map((cells) => cells.slice(1))).toEqual(
      figures.bins.map(({ images, accuracy, confidence }) => [images, accuracy, confidence].map(text)),
    );
    const wrong = figures.confusion.filter(({ truth, predicted }) => truth !== predicted);
    const confused = wrong.map(({ truth, predicted, images }) => [truth, predicted, String(images)]);
    expect((await rows('confusion')).sort()).toEqual(confused.sort());
    const scores = await page.evaluate<string[]>(
      `[...document.querySelectorAll('#mistakes data')].map((one) => one.value)`,
    );
    expect(scores.map(Number).sort()).toEqual(figures.mistakes.map(({ score }) => score).sort());
    const names = await page.evaluate<string[]>(
      `[...document.querySelectorAll('#mistakes .path')].map((one) => one.textContent)`,
    );
    expect(names.sort()).toEqual(figures.mistakes.map(({ image }) => image).sort());
    expect(await rows('failures')).toHaveLength(figures.failures.length);
    // The counts in the cells of the matrix.
    const counts = await page.evaluate<string[]>(`
      [...document.querySelectorAll('#confusion .wide svg g[aria-label="text"] text')].map((one) => one.textContent)`);
    expect(counts.sort()).toEqual(figures.confusion.map(({ images }) => String(images)).sort());
    await page.close();
  });
});

/** Runs in the page: every visible text with its contrast (WCAG 2) to the background, including half-transparent cells. */
const CONTRASTS = `(() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
  const over = (top, alpha, under) => under.map((c, n) => alpha * top[n] + (1 - alpha) * c);
  const paper = parse(getComputedStyle(document.body).backgroundColor).slice(0, 3);
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (text === '' || element.closest('style, title') || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const inSvg = element.closest('svg');
    let ground = paper;
    for (let up = element; up; up = up.parentElement) {
      const [r, g, b, alpha = 1] = parse(getComputedStyle(up).backgroundColor);
      if (alpha === 1) { ground = [r, g, b]; break; }
    }
    if (inSvg && element.closest('g[aria-label="text"]') && element.closest('#confusion')) {
      const at = element.getBoundingClientRect();
      const [x, y] = [(at.left + at.right) / 2, (at.top + at.bottom) / 2];
      for (const rect of inSvg.querySelectorAll('rect[fill-opacity]')) {
        const box = rect.getBoundingClientRect();
        if (box.left < x && x < box.right && box.top < y && y < box.bottom)
          ground = over(parse(getComputedStyle(rect).fill), Number(rect.getAttribute('fill-opacity')), ground);
      }
    }
    const [a, b] = [light(parse(inSvg ? style.fill : style.color)), light(ground)];
    found.push([text, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]);
  }
  return found;
})()`;
