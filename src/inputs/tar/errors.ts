import { isAbsent } from '../../disk/exists.ts';
import { ImageError, messageOf } from '../../errors.ts';
import { bytesOfPath, type Path } from '../path.ts';
import { STDIN } from '../stdin.ts';
import { OtherCompression } from './decompress.ts';

/** A tar has at least its end mark: one of no bytes was not written or not downloaded. */
export function emptyTar(tar: Path): ImageError {
  const advice = tar === STDIN ? 'check the command before the pipe' : 'download or pack the tar again';
  return new ImageError('E_DECODE', `${nameOf(tar)} is empty (0 bytes)`, advice);
}

/** The name of a tar in messages. */
export function nameOf(tar: Path): string {
  return tar === STDIN ? 'standard input' : readable(tar);
}

/** The error for a tar that cannot be read. */
export function reasonOf(tar: Path, members: number, error: unknown): ImageError {
  const name = nameOf(tar);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (error instanceof OtherCompression) {
    const advice = `decompress it: ${error.program} -dc <file> | clip-classify --tar -`;
    return new ImageError('E_FORMAT', `${name} is compressed with ${error.program}`, advice, error);
  }
  if (isAbsent(error)) return new ImageError('E_NOT_FOUND', `${name} does not exist`, 'check the path', error);
  if (/^E[A-Z]+$/u.test(code) || messageOf(error) === 'it is a folder')
    return new ImageError('E_UNREADABLE', `cannot read ${name}: ${messageOf(error)}`, 'check the file', error);
  const why = wordsOf(error);
  if (members === 0 && why !== TRUNCATED)
    return new ImageError('E_FORMAT', `${name} is not a tar: ${why}`, 'check what the file is', error);
  const [where, advice] =
    members === 0
      ? ['in its first member', 'download or pack the tar again']
      : [
          `after ${membersIn(members)}`,
          'download or pack the tar again; the pictures before the damage have their rows',
        ];
  return new ImageError('E_DECODE', `${name} is damaged ${where}: ${why}`, advice, error);
}

export function membersIn(count: number): string {
  return count === 1 ? '1 member' : `${count} members`;
}

const TRUNCATED = 'it is truncated';

/** The messages of tar-stream, zlib and fzstd in our words. */
function wordsOf(error: unknown): string {
  const message = messageOf(error);
  if (/^unexpected end|^unexpected eof/iu.test(message)) return TRUNCATED;
  if (/^invalid tar header/iu.test(message)) return 'a header has the wrong checksum';
  if (/^(invalid header|header exceeds)/iu.test(message)) return 'a header is invalid';
  return message;
}

/** A path as text. */
export function readable(path: Path): string {
  return bytesOfPath(path).toString();
}
