import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf, OutputError } from '../../errors.ts';
import type { Io } from '../io.ts';
import { openSink } from '../results.ts';

/**
 * A report is written at the end, in one go; whether it can be is asked before the work.
 *
 * @throws OutputError
 */
export async function checkWritable(file: string): Promise<void> {
  const exists = await access(file).then(
    () => true,
    () => false,
  );
  await access(exists ? file : dirname(file), constants.W_OK).catch((error: unknown) => {
    throw new OutputError(
      `${file} cannot be written: ${messageOf(error)}`,
      'check the path, its permissions and the free space',
      error,
    );
  });
}

/** @throws OutputError */
export async function writeExport(file: string, text: string, io: Io): Promise<void> {
  const sink = await openSink(file, io);
  await sink.write(text);
  await sink.close();
}
