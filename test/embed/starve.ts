import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Limits the address space of a process to its present size plus `bytes` (Linux). @returns whether the process was running */
export function starve(pid: number, bytes = 0): boolean {
  try {
    const size = Number(/VmSize:\s+(\d+)/u.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
    execFileSync('prlimit', ['--pid', `${pid}`, `--as=${Math.round(size + bytes)}:`], { stdio: 'ignore' });
    return true;
  } catch {
    return false; // it has just ended
  }
}
