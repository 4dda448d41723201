import { execFile } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { env, execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { fixture } from '../paths.ts';
import type { HostileModel } from './hostile-graphs.ts';

const script = fileURLToPath(new URL('load-each.mjs', import.meta.url));

/** The outcome of a model folder. */
export interface Outcome {
  readonly folder: string;
  readonly ms?: number;
  /** `dead` if the process crashed. */
  readonly code?: string;
  readonly message?: string;
  readonly scores?: readonly number[];
}

/** Writes each model into its own folder, and next to the folders a file that no model may read. */
export async function writeEach(root: string, models: readonly HostileModel[]): Promise<string[]> {
  const outside = join(root, 'outside.bin');
  await writeFile(outside, Buffer.from(new Float32Array(20).fill(1).buffer));
  return Promise.all(
    models.map(async ({ write }, n) => {
      const folder = await mkdtemp(join(root, `${n}-`));
      await write(folder, outside);
      return folder;
    }),
  );
}

/** Loads and runs model folders in a child process. If it dies, the other models continue in a new process. */
export async function loadEach(folders: readonly string[], prefix: readonly string[] = []): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let rest = folders; rest.length > 0; rest = folders.slice(outcomes.length)) {
    const [command = '', ...words] = [...prefix, execPath, script, fixture('images/rgb.png'), ...rest];
    const cache = { CLIP_CLASSIFY_CACHE: `${folders[0]}.cache` };
    const stdout = await new Promise<string>((done) => {
      execFile(command, words, { env: { ...env, ...cache }, timeout: 30_000, killSignal: 'SIGKILL' }, (_, text) =>
        done(text),
      );
    });
    const lines: Outcome[] = stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    const answers = lines.filter(({ ms }) => ms !== undefined);
    outcomes.push(...answers);
    if (answers.length < rest.length) outcomes.push({ folder: rest[answers.length] as string, code: 'dead' });
  }
  return outcomes;
}
