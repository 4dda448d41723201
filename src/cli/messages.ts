import { createColors } from 'picocolors';
import { hasCode } from '../disk/exists.ts';
import { ClipError, MORE_FILES, messageOf, oneLine, printable } from '../errors.ts';
import { withFlags } from '../output/flags.ts';
import { type Io, wantsColor } from './io.ts';
import type { RunError } from './run-report.ts';

type Kind = 'error' | 'warning' | 'note';

/** Where messages go: lines of text on standard error, or lines of JSON. */
type Messages = Pick<Io, 'stderr' | 'env' | 'log'>;

/** Writes one line on standard error. @param fields more fields for `--log json`; a `code` is also in the text */
export function say(
  { stderr, env, log }: Messages,
  kind: Kind,
  message: string,
  fields: { readonly code?: string; readonly causes?: readonly string[] } = {},
): void {
  const text = withFlags(message);
  if (log !== undefined) {
    log.write(kind, { ...fields, message: text });
    return;
  }
  const paint = createColors(wantsColor(stderr, env));
  const word = { error: paint.red('error'), warning: paint.yellow('warning'), note: '' }[kind];
  const line = oneLine(fields.code === undefined ? text : `${fields.code}: ${text}`);
  stderr.write(kind === 'note' ? `${line}\n` : `clip-classify: ${word}: ${line}\n`);
}

/** Writes the error that stopped the run. With `--verbose`, its causes follow. */
export function sayError(io: Messages, error: unknown, verbose: boolean): RunError {
  const what = errorOf(error);
  const causes: string[] = [];
  for (let cause = verbose ? error : undefined; cause instanceof Error; cause = cause.cause)
    causes.push(cause.stack ?? cause.message);
  const { code, message } = what;
  say(io, 'error', message, { ...(code && { code }), ...(io.log && verbose && { causes }) });
  if (io.log === undefined) for (const cause of causes) io.stderr.write(`${printable(cause)}\n`);
  return what;
}

function errorOf(error: unknown): RunError {
  if (error instanceof ClipError) return { code: error.code, message: withFlags(error.message) };
  // Any call may meet this limit.
  const nextStep = hasCode(error, 'EMFILE', 'ENFILE') ? `; ${MORE_FILES}` : '';
  return { message: `${messageOf(error)}${nextStep}` };
}
