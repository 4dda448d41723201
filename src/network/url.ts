/** Status codes with a Location that must be followed. */
export const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Where a redirect leads.
 *
 * @returns the URL without credentials, or the reason to refuse it
 */
export function redirectTarget(from: URL, location: string | null): URL | string {
  if (location === null || !URL.canParse(location, from.href)) return 'it is not an address';
  const to = new URL(location, from);
  if (to.protocol !== 'https:' && to.protocol !== 'http:') return `${to.protocol} is not allowed`;
  to.username = to.password = '';
  return to;
}

/** The start of a URL in any spelling that a URL parser (WHATWG) accepts. */
const START = /^\s*(?:https?:[\\/]*|[a-z][a-z0-9+.-]*:[\\/]{2,})/iu;

/** The end of user and password. The wide form is an @ in a text from an input method, which no parser accepts. */
const AT = /^.*[@\uFF20]/su;

/**
 * A URL without user and password, for messages. Text that is not a URL is unchanged. Tabs and line breaks count for nothing, as in
 * parsers.
 *
 * If no parser accepts the text, a password may contain any character, so everything up to the last @ is removed.
 */
export function withoutCredentials(text: string): string {
  const url = text.replace(/[\t\r\n]/gu, '');
  const start = START.exec(url)?.[0];
  if (start === undefined || !AT.test(url)) return text;
  const rest = url.slice(start.length);
  const authority = URL.canParse(url) ? (/^[^\\/?#]*/u.exec(rest)?.[0] ?? '') : rest;
  return start + authority.replace(AT, '') + rest.slice(authority.length);
}
