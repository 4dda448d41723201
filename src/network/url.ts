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

/**
 * A URL without user and password, for messages. Text that is not a URL is unchanged.
 *
 * If no parser accepts the text, a password may contain any character, so everything up to the last @ is removed.
 */
export function withoutCredentials(url: string): string {
  const start = START.exec(url)?.[0];
  if (start === undefined || !url.includes('@')) return url;
  const rest = url.slice(start.length);
  const authority = URL.canParse(url) ? (/^[^\\/?#]*/u.exec(rest)?.[0] ?? '') : rest;
  return start + rest.slice(authority.lastIndexOf('@') + 1);
}
