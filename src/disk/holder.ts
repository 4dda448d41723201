import { createHash, randomUUID } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { kill, pid } from 'node:process';
import { hasCode } from './exists.ts';

/** The holder of a lock, from its file. */
export interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When the process started, in ticks since the boot: a later process with the same pid has another start. */
  readonly start?: string;
  /** The boot of the machine: two machines, and two boots of one machine, differ. */
  readonly boot?: string;
  /** The namespace that the pid belongs to: two containers differ. */
  readonly space?: string;
  /** Whether the process also holds the lock of the kernel. */
  readonly kernel: boolean;
  /** A unique name of this lock. */
  readonly id: string;
}

/** Describes this process. */
export async function describeHolder(kernel: boolean): Promise<Holder> {
  const [boot, space, start] = await Promise.all([bootOf(), spaceOf(), startOf(pid)]);
  return {
    pid,
    host: hostname(),
    ...(start && { start }),
    ...(boot && { boot }),
    ...(space && { space }),
    kernel,
    id: randomUUID(),
  };
}

/** @returns undefined if the text does not name a holder */
export function parseHolder(text: string): Holder | undefined {
  try {
    const { pid, host, start, boot, space, kernel, id } = Object(JSON.parse(text));
    if (!Number.isSafeInteger(pid) || pid < 1 || typeof host !== 'string' || typeof id !== 'string') return undefined;
    const optional = Object.entries({ start, boot, space }).filter(([, value]) => typeof value === 'string');
    return { pid, host, ...Object.fromEntries(optional), kernel: kernel === true, id };
  } catch {
    return undefined;
  }
}

/** @returns 'unknown' if the process cannot be asked: it is on another machine or in another container */
export async function stateOf(holder: Holder): Promise<'alive' | 'dead' | 'unknown'> {
  const [boot, space] = await Promise.all([bootOf(), spaceOf()]);
  const isNear = boot === undefined ? holder.boot === undefined && holder.host === hostname() : holder.boot === boot;
  if (!isNear || holder.space !== space) return 'unknown';
  if (!isAlive(holder.pid)) return 'dead';
  const start = await startOf(holder.pid);
  return start !== undefined && holder.start !== undefined && start !== holder.start ? 'dead' : 'alive';
}

/**
 * Names this process in the name of a file: `<place>-<pid>-<start>`. The place is 8 hexadecimal digits for the machine, its boot
 * and the namespace of the pid.
 */
export async function nameOfProcess(): Promise<string> {
  return `${await placeOf()}-${pid}-${(await startOf(pid)) ?? 0}`;
}

/** {@link stateOf} for a name of {@link nameOfProcess}. */
export async function stateOfNamed(name: string): Promise<'alive' | 'dead' | 'unknown'> {
  const [place, process, start] = name.split('-');
  if (place !== (await placeOf())) return 'unknown';
  if (!isAlive(Number(process))) return 'dead';
  return ((await startOf(Number(process))) ?? '0') === start ? 'alive' : 'dead';
}

async function placeOf(): Promise<string> {
  const place = JSON.stringify([hostname(), await bootOf(), await spaceOf()]);
  return createHash('sha256').update(place).digest('hex').slice(0, 8);
}

/** Whether the holder ran on this machine since its last start. */
export async function isOfThisBoot({ boot }: Holder): Promise<boolean> {
  return boot !== undefined && boot === (await bootOf());
}

/** Whether a process of this machine lives. */
function isAlive(process: number): boolean {
  try {
    return kill(process, 0);
  } catch (error) {
    return hasCode(error, 'EPERM'); // it belongs to another user
  }
}

async function bootOf(): Promise<string | undefined> {
  const text = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return text.trim() || undefined;
}

/** Linux only. Elsewhere all processes share one space. */
export async function spaceOf(): Promise<string | undefined> {
  return readlink('/proc/self/ns/pid').catch(() => undefined);
}

/** Field 22 of /proc/PID/stat (proc(5)); the name of the command, in parentheses, may contain spaces. */
async function startOf(process: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${process}/stat`, 'utf8').catch(() => '');
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
}
