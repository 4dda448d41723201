/** What may begin a URL in any spelling that a parser of URLs (WHATWG) accepts. */
const START = /^\s*(?:https?:[\\/]*|[a-z][a-z0-9+.-]*:[\\/]{2,})/iu;

/**
 * A URL as it was given, without user and password: they are shown nowhere. Text that is no URL stays as it is.
 *
 * In a text that no parser accepts, a password may hold any character: everything up to the last @ is left out.
 */
export function withoutCredentials(url: string): string {
  const start = START.exec(url)?.[0];
  if (start === undefined || !url.includes('@')) return url;
  const rest = url.slice(start.length);
  const authority = URL.canParse(url) ? (/^[^\\/?#]*/u.exec(rest)?.[0] ?? '') : rest;
  return start + rest.slice(authority.lastIndexOf('@') + 1);
}
