import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli } from '../cli/io.ts';
import { type Loopback, serve } from '../image/server.ts';
import { fixture } from '../paths.ts';

const BROWSER = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
/** Names that would do harm as markup, in an attribute, in a style sheet or in an address. */
const HOSTILE = [
  '<script>window.hit=1<\u2215script>',
  '"><img src=x onerror=window.hit=1>',
  "' onmouseover='window.hit=1",
  '</style><svg onload=window.hit=1>'.replaceAll('/', '\u2215'),
  'javascript:window.hit=1',
  '</title><iframe src=http:127.0.0.1>'.replaceAll('/', '\u2215'),
  '{{window.hit=1}}',
  '\u202Egnp.exe',
];
const MARKUP =
  '<script>window.hit=1</script><img src="ORIGIN/x" onerror="window.hit=1"><svg onload="window.hit=1"></svg>';

describe.skipIf(BROWSER === undefined)(
  'pages with hostile names in a real browser (Chromium; skipped where it is missing)',
  () => {
    let folder: string;
    let browser: Browser;
    let outside: Loopback;
    const pages: Record<string, string> = {};
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'hostile-'));
      outside = await serve({});
      const model = join(folder, '<script>window.hit=1<\u2215script>');
      await mkdir(model);
      for (const name of ['config.json', 'model.safetensors', 'preprocessor_config.json', 'tokenizer.json'])
        if (existsSync(fixture(`tiny-class/${name}`))) await copyFile(fixture(`tiny-class/${name}`), join(model, name));
      for (const [n, name] of HOSTILE.entries()) {
        const place = join(folder, 'data', HOSTILE[n % 4] as string);
        await mkdir(place, { recursive: true });
        await copyFile(fixture('images/rgb.png'), join(place, `${name}.png`));
      }
      await writeFile(join(folder, 'data', HOSTILE[0] as string, `${HOSTILE[1]}.jpg`), 'no image');
      const data = join(folder, 'data');
      for (const [page, ...args] of [
        ['eval', 'eval', data, '-o', join(folder, 'eval.html')],
        [
          'find',
          'find',
          ...['</p><script>window.hit=1</script>', data],
          '--html',
          join(folder, 'find.html'),
          '--top',
          '9',
        ],
      ] as const) {
        const { code, stderr } = await cli([...args, '-m', model]);
        expect(code, stderr).toBe(1); // one file is no image
        pages[page] = await readFile(join(folder, `${page}.html`), 'utf8');
      }
      browser = await chromium.launch({ executablePath: BROWSER as string, args: ['--no-sandbox', '--disable-gpu'] });
    }, 60_000);
    afterAll(async () => {
      await browser?.close();
      await outside.close();
      await rm(folder, { recursive: true });
    });

    /** What a page did, and what is in it. */
    async function visit(html: string) {
      const path = join(folder, 'visited.html');
      await writeFile(path, html);
      const page = await browser.newPage();
      const [said, requests]: [string[], string[]] = [[], []];
      page.on('console', (message) => said.push(message.text()));
      page.on('pageerror', (error) => said.push(error.message));
      page.on('dialog', (dialog) => said.push(dialog.message()));
      page.on('request', (request) => requests.push(request.url()));
      await page.goto(pathToFileURL(path).href);
      await page.evaluate(`for (const one of document.querySelectorAll('details')) one.open = true`);
      const facts = await page.evaluate(`({
      hit: window.hit,
      active: document.querySelectorAll('script, iframe, object, embed, base, form').length,
      handlers: [...document.querySelectorAll('*')].flatMap((one) => [...one.attributes]).filter(({ name }) => name.startsWith('on')).length,
      text: document.body.textContent,
    })`);
      await page.close();
      return {
        facts: facts as Record<string, unknown>,
        said,
        requests: requests.filter((url) => !url.startsWith('data:')),
      };
    }

    it.each(['eval', 'find'])('%s: names are text; nothing runs, nothing is requested', async (name) => {
      const { facts, said, requests } = await visit(pages[name] as string);
      expect(facts).toMatchObject({ active: 0, handlers: 0 });
      expect([facts['hit'], said, requests.length]).toEqual([undefined, [], 1]);
      expect(facts['text']).toContain('<script>window.hit=1');
    });

    it.each(['eval', 'find'])(
      '%s: the policy of the page stops markup that an escape would have missed',
      async (name) => {
        const { facts, said } = await visit(
          (pages[name] as string).replace('<main>', `<main>${MARKUP.replace('ORIGIN', outside.origin)}`),
        );
        expect(facts).toMatchObject({ active: 1 }); // the markup is there
        expect(facts['hit']).toBeUndefined();
        expect(said.filter((line) => line.includes('Content Security Policy')).length).toBeGreaterThanOrEqual(3);
        expect(outside.seen).toEqual([]); // the server got no request
      },
    );
  },
);
