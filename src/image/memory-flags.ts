import { readFileSync } from 'node:fs';
import { allowedNodeEnvironmentFlags } from 'node:process';

const WITHOUT_GUARD = '--disable-wasm-trap-handler';

/**
 * Flags for a child process if the address space is limited (ulimit -v, batch systems). WebAssembly then does not reserve a guard region of
 * 8 GB for each memory, and checks bounds instead.
 */
export function limitedMemoryFlags(): string[] {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1');
    const isLimited = /^Max address space\s+\d/mu.test(limits);
    return isLimited && allowedNodeEnvironmentFlags.has(WITHOUT_GUARD) ? [WITHOUT_GUARD] : [];
  } catch {
    return []; // not Linux
  }
}
