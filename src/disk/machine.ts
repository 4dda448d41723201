import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { arch, availableParallelism, cpus, freemem, hostname, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { allowedNodeEnvironmentFlags } from 'node:process';

/** Where the controllers of both versions of cgroups are mounted. */
const CGROUPS = 'sys/fs/cgroup';

/**
 * The cores that this process may use: those of its affinity, or the quota of its cgroup if that is less.
 *
 * @param root the folder with `proc` and `sys`
 */
export function usableCores(root = '/'): number {
  const quotas = [
    ...valuesUpwards(root, '', 'cpu.max').map(coresOfMax),
    ...valuesUpwards(root, 'cpu', 'cpu.cfs_quota_us').map((quota) => Number(quota) / 100_000), // the usual period
  ].filter((cores) => cores > 0);
  return Math.max(1, Math.min(availableParallelism(), ...quotas.map(Math.ceil)));
}

/**
 * The bytes of memory that this process and its children may use: the free memory, or the limit of its cgroup if that is less.
 *
 * @param root the folder with `proc` and `sys`
 */
export function usableMemory(root = '/'): number {
  const limits = [...valuesUpwards(root, '', 'memory.max'), ...valuesUpwards(root, 'memory', 'memory.limit_in_bytes')]
    .map(Number)
    .filter((bytes) => bytes > 0);
  return Math.min(availableMemory(), ...limits);
}

/**
 * The facts that distinguish kinds of processors. Code that was made for one kind runs on every processor of this kind. In virtual
 * machines, two processors with the same name can have different instructions. So the facts are the instructions or, if the system
 * does not list them, the name of the processor and of the machine.
 */
export function processorFacts(): string[] {
  const [, instructions] = /^(?:flags|Features)\s*:\s*(.*)$/mu.exec(firstProcessor()) ?? [];
  return [platform(), arch(), ...(instructions === undefined ? [cpus()[0]?.model ?? '', hostname()] : [instructions])];
}

/** The description of the first processor. The kernel writes some kilobytes about each processor, and the first one is enough. */
function firstProcessor(): string {
  const bytes = Buffer.alloc(8192);
  try {
    const file = openSync('/proc/cpuinfo', 'r');
    try {
      return bytes.toString('latin1', 0, readSync(file, bytes));
    } finally {
      closeSync(file);
    }
  } catch {
    return ''; // not Linux
  }
}

/** The bytes of virtual memory that this process may reserve (`ulimit -v`); Infinity if there is no limit. */
export function virtualMemoryLimit(): number {
  const [, bytes] = /^Max address space\s+(\d+)/mu.exec(read('/proc/self/limits')) ?? [];
  return Number(bytes ?? Number.POSITIVE_INFINITY);
}

/** How often the limit of processes and threads of this cgroup, or of a parent, has refused one; 0 if it is unknown. */
export function refusedThreads(): number {
  return [...valuesUpwards('/', '', 'pids.events'), ...valuesUpwards('/', 'pids', 'pids.events')]
    .map((events) => Number(/^max (\d+)$/mu.exec(events)?.[1] ?? 0))
    .reduce((sum, count) => sum + count, 0);
}

/** `50000 100000`: 50,000 microseconds of work in 100,000; `max` is no limit. */
function coresOfMax(text: string): number {
  const [quota, period] = text.split(' ').map(Number);
  return (quota ?? Number.NaN) / (period ?? Number.NaN);
}

/** Free memory, including what the kernel can free from its caches. */
function availableMemory(): number {
  const [, kilobytes] = /^MemAvailable:\s*(\d+) kB$/mu.exec(read('/proc/meminfo')) ?? [];
  return kilobytes === undefined ? freemem() : Number(kilobytes) * 1024;
}

/** A file of the cgroup of this process and of its parents, whose limits apply, too. @param controller '' is version 2 */
function valuesUpwards(root: string, controller: string, file: string): string[] {
  const lines = read(join(root, 'proc/self/cgroup'))
    .split('\n')
    .map((line) => line.split(':'));
  const mine = lines.find(([, names = '']) =>
    controller === '' ? names === '' : names.split(',').includes(controller),
  );
  const values: string[] = [];
  for (let path = mine?.[2] ?? '/'; ; path = dirname(path)) {
    const value = read(join(root, CGROUPS, controller, path, file)).trim();
    if (value !== '') values.push(value);
    if (path === '/' || path === '.') return values;
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // not Linux, or no such controller
  }
}

const WITHOUT_GUARD = '--disable-wasm-trap-handler';

/**
 * Flags for a child process if the address space is limited (ulimit -v, batch systems). WebAssembly then does not reserve a guard region of
 * 8 GB for each memory, and checks bounds instead.
 */
export function limitedMemoryFlags(): string[] {
  const isLimited = virtualMemoryLimit() < Number.POSITIVE_INFINITY;
  return isLimited && allowedNodeEnvironmentFlags.has(WITHOUT_GUARD) ? [WITHOUT_GUARD] : [];
}
