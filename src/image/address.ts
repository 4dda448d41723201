import { fileURLToPath } from 'node:url';

const FILE = /^file:\/\//iu;

/** The path of a `file:` address. Other texts, and addresses without a local path, are unchanged. */
export function pathOfAddress(text: string): string {
  if (!FILE.test(text)) return text;
  try {
    return fileURLToPath(text);
  } catch {
    return text;
  }
}

/** Advice for addresses that cannot be read. */
const ADVICE: Readonly<Record<string, string>> = {
  s3: 'download it first, for example with aws s3 cp',
  gs: 'download it first, for example with gcloud storage cp',
  data: 'write the image into a file, or pipe its bytes to -',
  file: 'use the path of a local file',
};

/** The scheme of an address that is neither http nor https; undefined for a path. */
export function otherScheme(text: string): { readonly scheme: string; readonly advice: string } | undefined {
  const scheme = /^(?:(data):|([a-z][a-z0-9+.-]{1,19}):\/\/)/iu.exec(text)?.slice(1).find(Boolean)?.toLowerCase();
  if (scheme === undefined || scheme === 'http' || scheme === 'https') return undefined;
  return { scheme, advice: ADVICE[scheme] ?? 'download it first' };
}

/** The beginning of an address, for messages. */
export function shortAddress(text: string): string {
  return text.length > 100 ? `${text.slice(0, 60)}…` : text;
}
