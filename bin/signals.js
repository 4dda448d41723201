// The signals that end a run, and whether one of them is to be ignored.
import { readFileSync, readlinkSync } from 'node:fs';

/** Exit codes: 128 and the number of the signal. */
export const CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

const parentIgnores = ignoresHangUp(process.ppid);

/**
 * Whether the run was started to outlive its terminal. Node forgets which signals were ignored when it was started, so what
 * started it is looked at: nohup leaves its name in the environment or in the name of the output; a shell that ignores SIGHUP
 * itself (trap '' HUP, a script under nohup) says so in /proc.
 */
export function isHangUpIgnored() {
  return parentIgnores || /(^|\/)nohup$/u.test(process.env._ ?? '') || [1, 2].some(isNohupOut);
}

function ignoresHangUp(pid) {
  try {
    const [, low] = /^SigIgn:\s*[0-9a-f]*([0-9a-f])$/mu.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
    return (Number.parseInt(low ?? '0', 16) & 1) === 1; // SIGHUP is the first
  } catch {
    return false; // not Linux
  }
}

function isNohupOut(fd) {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).endsWith('/nohup.out');
  } catch {
    return false;
  }
}
