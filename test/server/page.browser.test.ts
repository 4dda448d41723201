import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { type Browser, chromium, type Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../../src/clip.ts';
import { explainImage } from '../../src/explain.ts';
import { cli } from '../cli/io.ts';
import { bin } from '../cli/program.ts';
import { fixture } from '../paths.ts';
import { IMAGE, MODEL, type Running, serve } from './service.ts';

const BROWSER = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const TOKEN = 'a-token-of-some-length';
const LABELS = 'cat\ndog\na red house';
/** Colours, and pixels of the page's width. */
const SIGHTS = [
  ['light', 1280],
  ['dark', 1280],
  ['light', 390],
  ['dark', 390],
] as const;

describe.skipIf(BROWSER === undefined)('the page in a real browser (Chromium; skipped where it is missing)', () => {
  let folder: string;
  let browser: Browser;
  let service: Running;
  let elsewhere: Server;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'page-'));
    await writeFile(join(folder, 'tokens'), `${TOKEN}\n`);
    service = await serve(['--port', '0']);
    browser = await chromium.launch({ executablePath: BROWSER as string, args: ['--no-sandbox', '--disable-gpu'] });
    elsewhere = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end('<!doctype html>'));
    await new Promise<void>((done) => elsewhere.listen(0, '127.0.0.1', done));
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    elsewhere?.close();
    await service?.stop();
    await rm(folder, { recursive: true });
  });

  /** The page, and what it did meanwhile. */
  async function visit({ at = service.address } = {}) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' });
    page.setDefaultTimeout(10_000);
    const [lines, requests]: [string[], string[]] = [[], []];
    page.on('console', (message) => lines.push(message.text()));
    page.on('pageerror', (error) => lines.push(error.message));
    page.on('request', (request) => requests.push(request.url()));
    await page.goto(at);
    await page.evaluate(await readFile(AXE, 'utf8'));
    return { page, lines, requests };
  }

  /** What axe-core finds wrong, and where. */
  async function faults(page: Page): Promise<string[]> {
    const run = `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html)))`;
    return page.evaluate(run);
  }

  const typeLabels = (page: Page, text: string) => page.getByLabel('Labels', { exact: true }).fill(text);
  const choose = (page: Page, files: string[]) => page.locator('input[type=file]').setInputFiles(files);
  /** Labels and scores, in order, of the first picture. */
  async function bars(page: Page): Promise<[string, string][]> {
    await page.locator('.bars').first().waitFor();
    const rows = await page.locator('.card').first().locator('.bars li').all();
    return Promise.all(
      rows.map(async (row) => [await row.locator('.name').innerText(), await row.locator('.score').innerText()]),
    );
  }
  async function expected(args: readonly string[], labels = LABELS): Promise<[string, string][]> {
    const { stdout } = await cli([IMAGE, ...MODEL, '-l', labels, '-f', 'jsonl', '--quiet', ...args]);
    const row = JSON.parse(stdout) as { labels: { label: string; score: number }[] };
    return row.labels.map(({ label, score }) => [label, `${(100 * score).toFixed(1)} %`]);
  }
  /** Waits until the bars are these. */
  const expectBars = (page: Page, rows: [string, string][]) =>
    expect.poll(() => bars(page), { timeout: 20_000 }).toEqual(rows);

  it('has no fault that axe-core finds, in light and dark, on a desk and on a phone, and loads nothing else', async () => {
    const { page, lines, requests } = await visit();
    await page.getByText('Model').waitFor();
    expect(await faults(page)).toEqual([]);
    await typeLabels(page, `${LABELS}\na\nb\nc`);
    await choose(page, [IMAGE, fixture('images/odd.jpg'), fixture('images/page.tiff')]);
    await page.locator('.bars').nth(2).waitFor();
    await page.getByLabel('Template').selectOption('own');
    await page.getByLabel('Threshold').fill('40');
    const card = page.locator('.card').first();
    await card.getByRole('button', { name: '1 more label' }).click();
    await card.getByRole('button', { name: /^a red house/u }).click();
    await page.getByAltText(/^Heat map of a red house/u).waitFor();
    for (const [colorScheme, width] of SIGHTS) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 900 });
      const options = page.getByText('Options and command line');
      if (width < 860) await options.waitFor(); // closed now, because the page has become narrow
      if (width < 860 && (await page.locator('details[open]').count()) === 0) await options.click();
      expect(await faults(page), `${colorScheme} ${width}`).toEqual([]);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    }
    expect(lines).toEqual([]);
    expect(requests.filter((url) => !/^(data|blob):/u.test(url) && !url.startsWith(service.address))).toEqual([]);
    await page.close();
  });

  it('shows the rows of the command line while labels are typed, and encodes a picture once', async () => {
    const { page, requests } = await visit();
    await choose(page, [IMAGE]);
    await typeLabels(page, LABELS);
    await expectBars(page, await expected([]));
    await page.getByLabel('Labels', { exact: true }).press('End');
    await page.keyboard.type(', a green door');
    await expectBars(page, await expected([], `${LABELS},a green door`));
    await page.getByLabel('Background class').check();
    await page.getByLabel('Template').selectOption('own');
    await page.getByLabel('Your own template').fill('a sketch of {}');
    await expectBars(page, await expected(['-t', 'a sketch of {}', '--background'], `${LABELS},a green door`));
    expect(requests.filter((url) => url.includes('/v1/pictures'))).toHaveLength(1);
    await page.getByLabel('Background class').uncheck();
    await page.getByLabel('Threshold').fill('100');
    await page.getByText('No label: below the threshold').waitFor();
    await page.close();
  });

  it('has a command line that gives the rows of the page', async () => {
    const { page } = await visit();
    await choose(page, [IMAGE]);
    await typeLabels(page, "cat, it's a dog\na red\\, old house");
    await page.getByLabel('Several labels').check();
    await page.getByLabel('Threshold').fill('37');
    await page.getByLabel('Template').selectOption('own');
    await page.getByLabel('Your own template').fill('a "sketch" of {}, $HOME');
    await page.getByText("it's a dog").first().waitFor();
    const rows = await bars(page);
    const text = await page.locator('pre code').innerText();
    expect(text).toContain('-m tiny-class');
    const program = join(folder, 'clip-classify');
    await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@" -f jsonl --quiet\n`, { mode: 0o700 });
    const script = text.replace('-m tiny-class', `-m '${fixture('tiny-class')}'`);
    const env = { ...process.env, PATH: `${folder}:${process.env['PATH']}` };
    const { stdout } = await promisify(execFile)('sh', ['-c', script], { cwd: fixture('images'), env });
    const row = JSON.parse(stdout) as { labels: { label: string; score: number }[] };
    await expectBars(
      page,
      row.labels.map(({ label, score }) => [label, `${(100 * score).toFixed(1)} %`]),
    );
    expect(rows.map(([label]) => label).sort()).toEqual(row.labels.map(({ label }) => label).sort());
    await page.getByRole('button', { name: 'Copy as command line' }).click();
    await page.getByText(/^Copied|^Press Ctrl\+C/u).waitFor();
    expect(await page.evaluate('String(getSelection())')).toBe(text);
    await page.close();
  });

  it('shows the heat map that explainImage gives', async () => {
    const { page } = await visit();
    await choose(page, [IMAGE]);
    await typeLabels(page, LABELS);
    await page.getByRole('button', { name: /^dog/u }).click();
    await page.getByAltText(`Heat map of dog: ${basename(IMAGE)}`).waitFor();
    const model = await loadModel(MODEL[1] as string, { threads: 1 });
    const map = await explainImage(model, IMAGE, 'dog');
    if (!map.ok) throw map.error;
    const address = `${service.address}/v1/explain?labels=dog`;
    const answer = await fetch(address, { method: 'POST', body: await readFile(IMAGE) });
    const [drawn, wanted] = await Promise.all([
      pixels(Buffer.from(await answer.arrayBuffer())),
      pixels(Buffer.from(await map.overlay())),
    ]);
    await model.release();
    expect(drawn.length).toBe(wanted.length);
    // A cosine that differs in its last bit can change a colour by one level.
    expect(wanted.findIndex((value, n) => Math.abs(value - (drawn[n] as number)) > 1)).toBe(-1);
    await page.close();
  });

  it('works with the keyboard alone', async () => {
    const { page } = await visit();
    await choose(page, [IMAGE]);
    await page.locator('.card').waitFor();
    const focused = () =>
      page.evaluate<string>(`document.activeElement.labels?.[0]?.innerText ?? document.activeElement.innerText`);
    const seen: string[] = [];
    await page.keyboard.press('Tab');
    await page.keyboard.type('cat, dog');
    await page.locator('.bars').waitFor();
    for (let n = 0; n < 14; n++) {
      seen.push((await focused()).split('\n')[0]?.trim() ?? '');
      await page.keyboard.press('Tab');
    }
    for (const name of [
      'Labels',
      'Template',
      'Threshold',
      'Background class',
      'Several labels',
      'Copy as command line',
      'Add pictures',
      'Remove all',
      'cat',
      'dog',
    ])
      expect(seen).toContain(name);
    await page.getByRole('button', { name: /^dog/u }).focus();
    await page.keyboard.press('Enter');
    await page.getByAltText(/^Heat map of dog/u).waitFor();
    await page.getByRole('button', { name: `Remove ${basename(IMAGE)}` }).focus();
    await page.keyboard.press('Enter');
    await page.getByText('Drop pictures here').waitFor();
    await page.close();
  });

  it('takes pictures that are pasted or dropped, and says what is wrong with a bad one', async () => {
    const { page } = await visit();
    const data = (await readFile(IMAGE)).toString('base64');
    const send = (type: string, field: string, name: string, base64: string) =>
      page.evaluate(`{
        const bytes = Uint8Array.from(atob(${JSON.stringify(base64)}), (c) => c.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], ${JSON.stringify(name)}, { type: 'image/png' }));
        const Event = { paste: ClipboardEvent, drop: DragEvent }[${JSON.stringify(type)}];
        document.body.dispatchEvent(new Event(${JSON.stringify(type)}, { bubbles: true, cancelable: true, ${field}: data }));
      }`);
    await send('paste', 'clipboardData', 'pasted.png', data);
    await send('drop', 'dataTransfer', 'dropped.png', data);
    await send('drop', 'dataTransfer', 'broken.png', data.slice(0, 80));
    await typeLabels(page, LABELS);
    await page.locator('.bars').nth(1).waitFor();
    const names = await page.locator('.card h3').allInnerTexts();
    expect(names).toEqual(['pasted.png', 'dropped.png', 'broken.png']);
    expect(await page.locator('.card').nth(2).locator('.trouble').innerText()).toContain('broken.png');
    await page.close();
  });

  it('asks for the token of a guarded service', async () => {
    const guarded = await serve(['--port', '0', '--token-file', join(folder, 'tokens'), '-l', 'cat,dog']);
    const { page } = await visit({ at: guarded.address });
    await page.getByLabel('Token').fill('a-wrong-token-of-some-length');
    expect(await faults(page)).toEqual([]);
    await page.getByRole('button', { name: 'Open' }).click();
    await page.getByText('This token is wrong.').waitFor();
    await page.getByLabel('Token').fill(TOKEN);
    await page.getByRole('button', { name: 'Open' }).click();
    await choose(page, [IMAGE]);
    await expectBars(page, await expected([], 'cat,dog'));
    await page.close();
    await guarded.stop();
  });

  it('refuses what a page of another origin sends, and can be opened from its links', async () => {
    const page = await browser.newPage();
    const { port } = elsewhere.address() as AddressInfo;
    await page.goto(`http://localhost:${port}/`); // another site, too: 127.0.0.1 is not localhost
    const classify = `${service.address}/v1/classify?labels=cat,dog`;
    const data = (await readFile(IMAGE)).toString('base64');
    const bytes = `Uint8Array.from(atob('${data}'), (c) => c.charCodeAt(0))`;
    const statuses: number[] = [];
    page.on('response', (response) => response.url() === classify && statuses.push(response.status()));
    const images = () => metric(service, /^clip_classify_images_total\{result="ok"\} (\d+)$/mu);
    const old = await images();
    await page.evaluate(`fetch('${classify}', { method: 'POST', mode: 'no-cors', body: new Blob([${bytes}]) })`);
    await page.evaluate(`{
      const form = new FormData();
      form.append('images', new Blob([${bytes}]), 'a.png');
      fetch('${classify}', { method: 'POST', mode: 'no-cors', body: form });
    }`);
    await expect.poll(() => statuses).toEqual([403, 403]);
    await page.evaluate(`{
      document.body.innerHTML = '<form method="post" enctype="multipart/form-data"><input name="labels" value="cat,dog">';
      document.forms[0].action = '${classify}';
      document.forms[0].submit();
    }`);
    await page.waitForURL(classify); // the answer has come and is shown
    expect(statuses).toEqual([403, 403, 403]);
    expect(await images()).toBe(old);

    await page.goto(`http://localhost:${port}/`);
    await page.evaluate(`location.href = '${service.address}/'`);
    await page.getByRole('heading', { name: 'clip-classify' }).waitFor();
    await page.close();
  });
});

const pixels = (png: Buffer) => sharp(png).raw().toBuffer();

async function metric({ address }: Running, line: RegExp): Promise<number> {
  return Number(line.exec(await (await fetch(`${address}/metrics`)).text())?.[1] ?? 0);
}
