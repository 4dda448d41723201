import { createColors } from 'picocolors';
import { ClipError, messageOf, oneLine, printable } from '../errors.ts';
import { withFlags } from '../output/flags.ts';
import { type Io, wantsColor } from './io.ts';

type Kind = 'error' | 'warning' | 'note';

/** One line on standard error. */
export function say({ stderr, env }: Pick<Io, 'stderr' | 'env'>, kind: Kind, message: string): void {
  const paint = createColors(wantsColor(stderr, env));
  const word = { error: paint.red('error'), warning: paint.yellow('warning'), note: '' }[kind];
  const line = oneLine(withFlags(message));
  stderr.write(kind === 'note' ? `${line}\n` : `clip-classify: ${word}: ${line}\n`);
}

/** The line for whatever stopped the run; its causes follow with `--verbose`. */
export function sayError(io: Pick<Io, 'stderr' | 'env'>, error: unknown, verbose: boolean): void {
  say(io, 'error', error instanceof ClipError ? `${error.code}: ${error.message}` : messageOf(error));
  if (!verbose) return;
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    io.stderr.write(`${printable(cause.stack ?? cause.message)}\n`);
}
