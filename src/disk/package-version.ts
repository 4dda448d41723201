import { readFile } from 'node:fs/promises';

let version: Promise<string> | undefined;

/** The version of this package. */
export function packageVersion(): Promise<string> {
  version ??= read();
  return version;
}

async function read(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(text) as { readonly version: string };
  return version;
}
