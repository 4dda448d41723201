import { readFile } from 'node:fs/promises';
import { messageOf, UsageError } from '../errors.ts';

/** The minimum length of a token. A shorter one could be guessed. */
const CHARACTERS = 16;

/** Reads a file with one token per line. No message contains a token. @throws UsageError */
export async function readTokens(file: string): Promise<readonly string[]> {
  const text = await readFile(file, 'utf8').catch((error) => {
    throw new UsageError(`--token-file cannot be read: ${messageOf(error)}`, 'check the path');
  });
  const tokens = text.split(/\r?\n/u).filter((line) => line.trim() !== '');
  const isWeak = tokens.some((token) => token.length < CHARACTERS || /\s/u.test(token));
  if (tokens.length > 0 && !isWeak) return tokens;
  const fact = isWeak ? 'a token in --token-file has a space or fewer than 16 characters' : '--token-file has no token';
  throw new UsageError(fact, `make one: openssl rand -hex 32 > ${file}`);
}
