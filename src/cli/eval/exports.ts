import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { throwCannotWrite } from '../../output/sink.ts';

/**
 * Reports are written at the end. This checks before the work that they can be written.
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
