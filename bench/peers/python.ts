import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Tasks } from '../sides/task.ts';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** The peers, and the scripts in this folder that run them. */
export const PEER_SCRIPTS: Readonly<Record<string, string>> = {
  open_clip: 'open_clip_side.py',
  'transformers (PyTorch)': 'transformers_side.py',
  'ONNX Runtime and Pillow': 'onnxruntime_side.py',
};

/** The input of every side in Python. */
export interface PeerSetup {
  readonly folder: string;
  /** The same weights under the names of open_clip. */
  readonly openClip: string;
  readonly template: string;
  readonly tasks: Tasks;
  /** Photographs whose embeddings are compared. */
  readonly compared: readonly string[];
  readonly batch: number;
  readonly threads: number;
  /** Processes that decode next to the inference, for peers that have them. */
  readonly workers: number;
}

/**
 * The Python that has the peers: BENCH_PYTHON, or a virtual environment that is created once from requirements.txt. It takes 6 GB,
 * because PyPI has PyTorch with CUDA only.
 *
 * @param cache the folder of the environment
 */
export async function peerPython(cache: string, env: NodeJS.ProcessEnv): Promise<string> {
  if (env['BENCH_PYTHON']) return env['BENCH_PYTHON'];
  const requirements = here('requirements.txt');
  const digest = createHash('sha256')
    .update(await readFile(requirements))
    .digest('hex');
  const folder = join(cache, `python-${digest.slice(0, 8)}`);
  const python = join(folder, 'bin/python');
  const done = join(folder, 'done');
  if (!(await exists(done))) {
    const run = (program: string, ...args: string[]) => execFileSync(program, args, { stdio: ['ignore', 2, 2] });
    run('python3', '-m', 'venv', folder);
    run(python, '-m', 'pip', 'install', '--quiet', '--requirement', requirements);
    run(python, '-c', `open(${JSON.stringify(done)}, 'w')`);
  }
  return python;
}

/** The weights of a model under the names of open_clip, written once. */
export async function openClipWeights(python: string, folder: string): Promise<string> {
  const path = join(folder, 'open_clip', 'open_clip_model.safetensors');
  if (!(await exists(path)))
    execFileSync(python, [here('open_clip_checkpoint.py'), join(folder, 'model.safetensors'), path]);
  return path;
}

/** The command line that does one task of a side as a whole process. */
export function wholeSide(script: string, setup: PeerSetup, task: string): readonly string[] {
  return [here(script), JSON.stringify(setup), task];
}

/** A side of a comparison in Python: like `Side`, but it writes lines of JSON. */
export class PythonSide {
  private readonly answers: AsyncIterator<string>;

  private constructor(
    private readonly child: ChildProcess,
    lines: Interface,
  ) {
    this.answers = lines[Symbol.asyncIterator]();
  }

  /** The versions of its libraries, set by `open`. */
  versions: Readonly<Record<string, string>> = {};

  /** @throws Error if the side cannot begin; its messages are on standard error */
  static async open(python: string, script: string, setup: PeerSetup, env: NodeJS.ProcessEnv): Promise<PythonSide> {
    const child = spawn(python, [here(script), JSON.stringify(setup)], { env, stdio: ['pipe', 'pipe', 'inherit'] });
    const side = new PythonSide(child, createInterface({ input: child.stdout }));
    side.versions = (await side.answer(script)).result as Record<string, string>;
    return side;
  }

  /** Milliseconds that the named task took. */
  async work(name: string): Promise<number> {
    return (await this.ask(name)).took;
  }

  /** The unit embeddings of the photographs that are compared. */
  async embeddings(): Promise<readonly (readonly number[])[]> {
    return (await this.ask('embed')).result as number[][];
  }

  close(): void {
    this.child.stdin?.end();
  }

  private ask(name: string): Promise<{ readonly took: number; readonly result: unknown }> {
    this.child.stdin?.write(`${name}\n`);
    return this.answer(name);
  }

  private async answer(name: string): Promise<{ readonly took: number; readonly result: unknown }> {
    const line = await this.answers.next();
    if (line.done) throw new Error(`${name}: the side has ended`);
    return JSON.parse(line.value) as { took: number; result: unknown };
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
