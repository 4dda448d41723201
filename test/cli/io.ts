import { Readable, Writable } from 'node:stream';
import { run } from '../../src/cli/run.ts';

/** A stream that remembers what was written to it. */
class Memory extends Writable {
  text = '';
  constructor(
    readonly isTTY: boolean,
    readonly columns = 80,
    private readonly onWrite: (text: string) => void = () => {},
  ) {
    super({ decodeStrings: false });
  }
  override _write(chunk: string, _: string, done: () => void): void {
    this.text += chunk;
    this.onWrite(this.text);
    done();
  }
}

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One command line, run in this process against streams in memory. @param until output that interrupts the run like SIGTERM */
export async function cli(
  argv: readonly string[],
  {
    tty = false,
    env = {} as Record<string, string>,
    columns = 80,
    stdin = '' as string | Buffer,
    until = undefined as RegExp | undefined,
  } = {},
): Promise<Outcome> {
  const interruption = new AbortController();
  const onWrite = (text: string) => until?.test(text) && interruption.abort(143);
  const [stdout, stderr] = [new Memory(tty, columns, onWrite), new Memory(tty, columns)];
  const own = { CLIP_CLASSIFY_CACHE: process.env['CLIP_CLASSIFY_CACHE'] }; // the cache of the tests
  const code = await run(argv, {
    stdout,
    stderr,
    stdin: () => Readable.from([Buffer.from(stdin)]),
    env: { ...own, ...env },
    interruption: interruption.signal,
  });
  return { code, stdout: stdout.text, stderr: stderr.text };
}
