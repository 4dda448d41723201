const SCHEME = /^https?:\/\//iu;

/** Whether an image's name is a URL: http:// or https://, in any case, whatever files there are. */
export function isUrl(name: string): boolean {
  return SCHEME.test(name);
}
