import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { env as processEnv } from 'node:process';
import { inCache, replaceFile } from '../disk/cache-files.ts';
import { cacheFolder, type Env } from '../disk/environment.ts';
import { readPlainFileSync } from '../disk/plain-file.ts';
import { STARTER } from './starter.ts';

/** The model that is used if none is named: `CLIP_CLASSIFY_MODEL`, then the one of {@link setDefaultModel}, then the starter. */
export function defaultModel(env: Env = processEnv): string {
  return env['CLIP_CLASSIFY_MODEL'] || chosenModel(env) || STARTER;
}

/** Sets the default model of this user. Undefined resets it to the starter. */
export async function setDefaultModel(nameOrFolder: string | undefined, env?: Env): Promise<void> {
  const path = defaultFile(env);
  const write = () =>
    nameOrFolder === undefined
      ? rm(path, { force: true })
      : replaceFile(path, `${JSON.stringify({ model: nameOrFolder })}\n`);
  await inCache(path, 'CLIP_CLASSIFY_CACHE', write);
}

/** The model set by `models use`, if there is one. */
export function chosenModel(env: Env = processEnv): string | undefined {
  try {
    const { model } = JSON.parse(readPlainFileSync(defaultFile(env))) as { model?: unknown };
    return typeof model === 'string' ? model : undefined;
  } catch {
    return undefined; // none was chosen
  }
}

function defaultFile(env?: Env): string {
  return join(cacheFolder(env), 'default.json');
}
