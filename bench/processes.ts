import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { execPath } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

/** A command of Node: the script and its arguments. */
export type Script = readonly string[];

/** Milliseconds from the start of a whole process to its end. */
export function wholeProcess(script: Script, env: NodeJS.ProcessEnv, program = execPath): number {
  const start = performance.now();
  const { status, stderr } = spawnSync(program, script, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const took = performance.now() - start;
  if (status !== 0) throw new Error(`${script.join(' ')} ended with ${status}: ${stderr}`);
  return took;
}

/** The peak of resident memory of a process and of all that it starts, in MB; of Linux alone. */
export async function peakMemory(script: Script, env: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn(execPath, script, { env, stdio: ['ignore', 'ignore', 'ignore'] });
  const ended = once(child, 'exit');
  const peaks = new Map<number, number>();
  while (child.exitCode === null && child.signalCode === null) {
    for (const pid of await family(child.pid as number)) {
      const peak = await statusField(pid, 'VmHWM');
      if (peak !== undefined) peaks.set(pid, peak);
    }
    await sleep(3);
  }
  await ended;
  return [...peaks.values()].reduce((sum, peak) => sum + peak, 0);
}

/** Resident memory of a process and of all that it has started, in MB. */
export async function residentMemory(pid: number): Promise<number> {
  const each = await Promise.all((await family(pid)).map((member) => statusField(member, 'VmRSS')));
  return each.reduce<number>((sum, size) => sum + (size ?? 0), 0);
}

async function family(pid: number): Promise<number[]> {
  const children = await Promise.all(
    (await readdir(`/proc/${pid}/task`).catch((): string[] => [])).map((task) =>
      readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => ''),
    ),
  );
  const pids = children.join(' ').split(' ').filter(Boolean).map(Number);
  return [pid, ...(await Promise.all(pids.map(family))).flat()];
}

async function statusField(pid: number, field: string): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB`, 'mu').exec(status)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) / 1000;
}

/** One side of a comparison. Its own process keeps the model open and works on request. */
export class Side {
  private constructor(private readonly child: ChildProcess) {}

  /**
   * @param script of bench/sides
   * @throws Error with what the side says, if it cannot begin
   */
  static async open(script: string, setup: unknown, env: NodeJS.ProcessEnv): Promise<Side> {
    const child = fork(new URL(`./sides/${script}`, import.meta.url), [JSON.stringify(setup)], { env });
    const side = new Side(child);
    await side.answer();
    return side;
  }

  /** Milliseconds that the named work took. */
  async work(name: string): Promise<number> {
    this.child.send(name);
    return this.answer();
  }

  async close(): Promise<void> {
    this.child.disconnect();
    await once(this.child, 'exit');
  }

  private async answer(): Promise<number> {
    const heard = new AbortController();
    const first = (event: string) => once(this.child, event, { signal: heard.signal });
    const [message] = await Promise.race([first('message'), first('exit')]);
    heard.abort();
    if (typeof message === 'number' || message === null) throw new Error(`a side ended with ${message}`);
    const { took, error } = message as { took: number; error?: string };
    if (error !== undefined) throw new Error(error);
    return took;
  }
}
