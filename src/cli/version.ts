import { readFile } from 'node:fs/promises';

/** The version of this package. */
export async function packageVersion(): Promise<string> {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}

/** The versions of the parts, for reports of errors. */
export async function versions(): Promise<string> {
  const { parts } = await import('../model/doctor.ts');
  return [`clip-classify ${await packageVersion()}`, ...parts(), ''].join('\n');
}
