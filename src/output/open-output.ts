import { stat } from 'node:fs/promises';
import { FileOutput } from './file-output.ts';
import { OutputLock } from './output-lock.ts';
import { NONE_KEPT, type ResultOutput } from './result-output.ts';
import { openDevice, streamOutput } from './stream-output.ts';
import { WholeFile } from './whole-file.ts';

/**
 * Opens a file that is not resumed. It is opened now, so that a wrong path is reported before the work.
 *
 * @param kind whether the file is valid after each row, or only when it is complete
 * @throws OutputError
 */
export async function openOutputFile(file: string, kind: 'lines' | 'whole'): Promise<ResultOutput> {
  const device = await deviceAt(file);
  if (device !== undefined) return streamOutput(device);
  const lock = await OutputLock.take(file);
  try {
    return kind === 'lines'
      ? lines(await FileOutput.create(lock), lock)
      : whole(await WholeFile.create(lock.path, lock), lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Writes a file whole or not at all. A FIFO or device gets the text at once. @throws OutputError */
export async function writeOutput(file: string, text: string | Uint8Array): Promise<void> {
  const output = await openOutputFile(file, 'whole');
  try {
    await output.head('');
    await output.row(text);
    await output.tail('');
  } finally {
    await output.close();
  }
}

/** @returns undefined for a regular file, or if there is no file */
async function deviceAt(file: string) {
  const info = await stat(file).catch(() => undefined);
  return info === undefined || info.isFile() || info.isDirectory() ? undefined : openDevice(file, info.isFIFO());
}

function lines(file: FileOutput, lock: OutputLock): ResultOutput {
  return {
    remaining: (images) => images,
    head: (text) => file.write(text),
    row: (text) => file.write(text),
    tail: (text) => file.write(text).then(() => NONE_KEPT),
    close: () => file.close().finally(() => lock.release()),
  };
}

/** A file without head and tail is not complete: the earlier file then stays. */
function whole(file: WholeFile, lock: OutputLock): ResultOutput {
  let [hasHead, hasTail] = [false, false];
  return {
    remaining: (images) => images,
    async head(text) {
      await file.write(text);
      hasHead = true;
    },
    row: (text) => file.write(text),
    async tail(text) {
      await file.write(text);
      hasTail = true;
      return NONE_KEPT;
    },
    close: () => (hasHead && hasTail ? file.commit() : file.discard()).finally(() => lock.release()),
  };
}
