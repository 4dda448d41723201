const SCHEME = /^https?:\/\//iu;

/** Whether an image's name is a URL: http:// or https://, in any case, whatever files there are. */
export function isUrl(name: string): boolean {
  return SCHEME.test(name);
}

/** The URL as it was given, without user and password: they are shown nowhere. */
export function withoutCredentials(url: string): string {
  return url.replace(/^(https?:\/\/)[^/?#\\]*@/iu, '$1');
}
