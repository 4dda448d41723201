import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { throwCannotWrite } from '../../output/sink.ts';

/**
 * A report is written at the end, in one go; whether it can be is asked before the work.
 *
 * @throws OutputError
 */
export async function checkWritable(file: string): Promise<void> {
  const exists = await stat(file).then(
    () => true,
    () => false,
  );
  await access(exists ? file : dirname(file), constants.W_OK).catch(throwCannotWrite(file));
}
