import { printable } from '../../errors.ts';
import { escapeControls } from '../../output/json.ts';
import { Sink } from '../../output/sink.ts';
import type { Io } from '../io.ts';

/**
 * Writes the output of a subcommand: text, or a value with `--json`. Control characters in names are removed for a terminal, but not
 * for a program.
 */
export async function print(io: Io, json: true | undefined, value: unknown, text: string): Promise<void> {
  await new Sink(io.stdout, 'standard output').write(
    json ? `${escapeControls(JSON.stringify(value, null, 2))}\n` : io.stdout.isTTY ? printable(text) : text,
  );
}

/** Examples for the end of a subcommand's help. */
export function examples(...commands: readonly string[]): string {
  return ['\nExamples:', ...commands.map((command) => `  $ clip-classify models ${command}`)].join('\n');
}

/** 605143284 → 605.1 MB. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
