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
