import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { once } from '../once.ts';
import { type Answer, Content } from './context.ts';

/** Written by tools/page.js. */
const FILE = new URL('../../dist/bundle/page.html', import.meta.url);

/** `GET /`: the page, which loads nothing else and runs no other script. */
export const page = once(async (): Promise<Answer> => {
  const html = await readFile(FILE, 'utf8');
  const policy = [
    "default-src 'none'",
    `script-src '${checksum(html, 'script')}'`,
    `style-src '${checksum(html, 'style')}'`,
    "connect-src 'self'",
    'img-src blob: data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
  const headers = {
    'content-security-policy': policy,
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(), microphone=(), geolocation=()',
  };
  return { status: 200, body: new Content('text/html; charset=utf-8', html), headers };
});

/** The checksum of what an element contains, as the policy names it. */
function checksum(html: string, element: string): string {
  const [, content = ''] = new RegExp(`<${element}[^>]*>(.*)</${element}>`, 'su').exec(html) ?? [];
  return `sha256-${createHash('sha256').update(content).digest('base64')}`;
}
