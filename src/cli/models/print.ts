import { Sink } from '../../output/sink.ts';
import type { Io } from '../io.ts';

/** What a subcommand of `models` writes to standard output: text, or with `--json` a value. */
export async function print(io: Io, json: true | undefined, value: unknown, text: string): Promise<void> {
  await new Sink(io.stdout, 'standard output').write(json ? `${JSON.stringify(value, null, 2)}\n` : text);
}

/** The help of a subcommand ends with what to type. */
export function examples(...commands: readonly string[]): string {
  return ['\nExamples:', ...commands.map((command) => `  $ clip-classify models ${command}`)].join('\n');
}
