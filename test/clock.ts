import { existsSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The library of Debian's package `faketime`, which gives a process another time of day. */
const LIBRARY = (existsSync('/usr/lib') ? readdirSync('/usr/lib') : [])
  .map((name) => join('/usr/lib', name, 'faketime/libfaketimeMT.so.1'))
  .find(existsSync);

/** Whether processes can be given another time of day. */
export const canShiftClocks = LIBRARY !== undefined;

/** The variables for processes whose clock {@link shiftClocks} moves while they run. Times of files and time spans stay true. */
export function shiftedBy(file: string): Record<string, string> {
  return {
    LD_PRELOAD: LIBRARY ?? '',
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    NO_FAKE_STAT: '1',
  };
}

/** Moves the clock of all processes that read the file. @param seconds from the true time, such as -3600 */
export async function shiftClocks(file: string, seconds: number): Promise<void> {
  await writeFile(file, `${seconds < 0 ? '' : '+'}${seconds}\n`);
}
