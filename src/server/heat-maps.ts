import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import pLimit from 'p-limit';
import type { Env } from '../disk/environment.ts';
import { imageErrorOf } from '../embed/messages.ts';
import { ImageError, type PlainError, runErrorOf } from '../errors.ts';
import type { DecodeOptions } from '../image/decode-options.ts';
import { busy } from './problems.ts';

/** How heat maps are drawn. */
export interface HeatMapSettings {
  /** Name or folder of the model. */
  readonly model: string;
  readonly threads: number | undefined;
  readonly env: Env;
}

/** One heat map. */
export interface HeatMapOrder extends Pick<HeatMapSettings, 'model' | 'threads'> {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly label: string;
  /** Unit embedding of the label. [D] */
  readonly row: Float32Array;
  readonly decode: Partial<DecodeOptions>;
}

export type HeatMapReply =
  | { readonly png: Uint8Array }
  /** `isImage`: whether the image is the cause. */
  | { readonly error: PlainError; readonly isImage: boolean };

const PROGRAM = fileURLToPath(new URL('../../bin/heat-map.js', import.meta.url));
const TIMEOUT_MS = 60_000;
/** Heat maps that may wait. */
const WAITING = 8;

/** Draws heat maps one after the other, each in a process of its own: no picture can crash or block the service. */
export class HeatMaps {
  private readonly turns = pLimit(1);

  constructor(private readonly settings: HeatMapSettings) {}

  /**
   * @param signal aborted if the client has left
   * @returns a PNG
   * @throws ImageError for a bad picture; ClipError if the model cannot be run; Problem 429
   */
  async draw(order: Omit<HeatMapOrder, 'model' | 'threads'>, signal: AbortSignal): Promise<Uint8Array> {
    if (this.turns.pendingCount >= WAITING) throw busy('too many heat maps wait');
    return this.turns(() => {
      signal.throwIfAborted();
      const { model, threads } = this.settings;
      return this.drawApart({ ...order, model, threads }, AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]));
    });
  }

  private drawApart(order: HeatMapOrder, signal: AbortSignal): Promise<Uint8Array> {
    return new Promise((done, failed) => {
      const child = fork(PROGRAM, [], {
        serialization: 'advanced',
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
        env: this.settings.env,
        signal,
        killSignal: 'SIGKILL',
      });
      child.on('message', (reply: HeatMapReply) => {
        if ('png' in reply) done(reply.png);
        else failed((reply.isImage ? imageErrorOf : runErrorOf)(reply.error));
        child.kill('SIGKILL');
      });
      child.on('error', () => {}); // followed by close
      child.on('close', () => {
        const [code, how] = signal.aborted ? (['E_TIMEOUT', 'timed out'] as const) : (['E_CRASH', 'failed'] as const);
        failed(new ImageError(code, `the heat map of ${order.name} ${how}`, 'try a smaller picture'));
      });
      child.send(order, () => {});
    });
  }
}
