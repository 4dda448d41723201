import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Env } from '../disk/environment.ts';
import { limitedMemoryFlags } from '../image/memory-flags.ts';
import { OUT_OF_MEMORY, type Reply, type Request, type Setup } from './messages.ts';

/** How a child process is started. */
export interface Launch {
  readonly env: Env;
  /** Kills the child at once. */
  readonly signal?: AbortSignal | undefined;
  /** The script that it runs. @default bin/image-encoder.js */
  readonly program?: string;
}

const PROGRAM = fileURLToPath(new URL('../../bin/image-encoder.js', import.meta.url));

/** glibc keeps what many arenas have freed, and grows by pixels that lie between what stays: they are given pages of their own. */
const THRIFTY_MALLOC = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: String(1 << 18),
  MALLOC_TRIM_THRESHOLD_: String(1 << 20),
};

/** A nursery of 2 MB: what a batch leaves behind is collected at once, and the heap does not creep up over thousands of images. */
const THRIFTY_HEAP = ['--max-semi-space-size=2'];

/** One child process that encodes images, from its start to its death. */
export class EncoderProcess {
  private readonly child: ChildProcess;
  private readonly outbox: Request[] = [];
  private killed = false;

  /**
   * @param onReplies told what it says, in order
   * @param onDeath told how it ended, unless it was killed on purpose
   */
  constructor(
    setup: Setup,
    { env, signal, program = PROGRAM }: Launch,
    onReplies: (replies: readonly Reply[]) => void,
    onDeath: (how: string) => void,
  ) {
    this.child = fork(program, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      execArgv: [...THRIFTY_HEAP, ...limitedMemoryFlags()],
      // Each decoder needs a thread of Node's pool.
      env: { ...THRIFTY_MALLOC, ...env, UV_THREADPOOL_SIZE: String(setup.decoders + 2) },
      ...(signal && { signal, killSignal: 'SIGKILL' }),
    });
    this.child.on('message', (replies: readonly Reply[]) => {
      if (!this.killed) onReplies(replies);
    });
    this.child.on('error', () => {}); // told by exit, or killed on purpose
    this.child.on('exit', (code, by) => {
      const how = by ?? (code === OUT_OF_MEMORY ? 'a lack of memory' : `exit code ${code}`);
      if (!this.killed && !signal?.aborted) onDeath(how);
    });
    this.send({ kind: 'open', setup });
  }

  /** What is sent in one turn of the event loop travels together. */
  send(request: Request): void {
    if (this.outbox.push(request) > 1) return;
    setImmediate(() => {
      if (!this.killed && this.child.connected) this.child.send(this.outbox.splice(0), () => {});
    });
  }

  kill(): void {
    this.killed = true;
    this.child.kill('SIGKILL');
  }
}
