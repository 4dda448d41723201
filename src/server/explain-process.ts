import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import pLimit from 'p-limit';
import type { Env } from '../disk/environment.ts';
import { type PlainError, imageErrorOf, runErrorOf } from '../embed/messages.ts';
import { ImageError } from '../errors.ts';
import type { DecodeOptions } from '../image/decode-options.ts';
import type { Label } from '../text/labels.ts';
import { busy } from './problems.ts';

/** One heat map. */
export interface ExplainOrder {
  readonly model: string;
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly label: string | Label;
  readonly templates: readonly string[] | undefined;
  readonly decode: Partial<DecodeOptions>;
  readonly threads: number | undefined;
}

export type ExplainReply =
  | { readonly png: Uint8Array }
  | { readonly error: PlainError; readonly isImage: boolean };

const PROGRAM = fileURLToPath(new URL('../../bin/explain-image.js', import.meta.url));
const TIMEOUT_MS = 60_000;
/** Heat maps that wait. */
const WAITING = 8;

/** Draws heat maps, each in a process of its own, one after the other: no picture can crash or hang the service. */
export class ExplainProcesses {
  private readonly turns = pLimit(1);

  constructor(
    private readonly env: Env,
    private readonly timeoutMs = TIMEOUT_MS,
  ) {}

  /** @returns a PNG; @throws ImageError, ClipError; Problem 429 */
  async draw(order: ExplainOrder, signal: AbortSignal): Promise<Uint8Array> {
    if (this.turns.pendingCount >= WAITING) throw busy('too many heat maps wait');
    return this.turns(() => {
      signal.throwIfAborted();
      return this.drawNow(order, AbortSignal.any([signal, AbortSignal.timeout(this.timeoutMs)]));
    });
  }

  private drawNow(order: ExplainOrder, signal: AbortSignal): Promise<Uint8Array> {
    return new Promise((done, failed) => {
      const child = fork(PROGRAM, [], {
        serialization: 'advanced',
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
        env: { ...this.env },
        signal,
        killSignal: 'SIGKILL',
      });
      child.on('message', (reply: ExplainReply) => {
        if ('png' in reply) done(reply.png);
        else failed((reply.isImage ? imageErrorOf : runErrorOf)(reply.error));
        child.kill('SIGKILL');
      });
      child.on('error', () => {}); // told by exit
      child.on('exit', () => {
        const code = signal.aborted ? 'E_TIMEOUT' : 'E_CRASH';
        const fact = `${order.name} ${signal.aborted ? 'timed out' : 'crashed the worker process'}`;
        failed(new ImageError(code, fact, 'remove this image'));
      });
      child.send(order, () => {});
    });
  }
}
