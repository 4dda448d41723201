import { statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * The working directory for a process of Node, which cannot start in a deleted one. Relative paths lead nowhere then, so it gets the
 * folder of its program, where no image is.
 *
 * @returns undefined if the working directory exists
 */
export function folderToStartIn(program: string): string | undefined {
  const isDeleted = statSync('.', { throwIfNoEntry: false })?.nlink === 0;
  return isDeleted ? dirname(program) : undefined;
}
