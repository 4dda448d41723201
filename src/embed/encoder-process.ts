import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Env } from '../disk/environment.ts';
import { limitedMemoryFlags } from '../disk/machine.ts';
import { folderToStartIn } from '../disk/working-folder.ts';
import { messageOf } from '../errors.ts';
import { watchMemory } from './memory.ts';
import { type Opening, OUT_OF_MEMORY, OUT_OF_THREADS, type Reply, type Request } from './messages.ts';

/** How a worker process is started. */
export interface Launch {
  readonly env: Env;
  /** Kills the process at once. */
  readonly signal?: AbortSignal | undefined;
  /** The most memory that it may take, in bytes. @default no limit */
  readonly memory?: number | undefined;
  /** The script that it runs. @default bin/image-encoder.js */
  readonly program?: string;
}

/** Who is told about a worker process. */
export interface Listener {
  /** Its replies in order. */
  onReplies(replies: readonly Reply[]): void;
  /** How it ended, unless it was killed on purpose. */
  onDeath(how: string): void;
  /** Called if it was killed because it needed too much memory. */
  onExcess(): void;
}

const PROGRAM = fileURLToPath(new URL('../../bin/image-encoder.js', import.meta.url));

/**
 * Settings of glibc. By default it keeps freed memory in many arenas, and the heap grows if the pixels of an image lie between blocks
 * that stay in use. So there are few arenas, and pixels are allocated outside the heap.
 */
const THRIFTY_MALLOC = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: String(1 << 18),
  MALLOC_TRIM_THRESHOLD_: String(1 << 20),
};

/** Young objects get 2 MB: the garbage of a batch is collected at once, and the heap does not grow over thousands of images. */
const THRIFTY_HEAP = ['--max-semi-space-size=2'];

const ENDINGS: Readonly<Record<number, string>> = {
  [OUT_OF_MEMORY]: 'a lack of memory',
  [OUT_OF_THREADS]: 'a lack of threads',
};

/** One worker process that encodes, from its start to its end. */
export class EncoderProcess {
  private readonly child: ChildProcess | undefined;
  private readonly outbox: Request[] = [];
  private readonly endWatch: (() => void) | undefined;
  private killed = false;

  /** @param first the first request, which names the model */
  constructor(first: Opening, { env, signal, memory, program = PROGRAM }: Launch, listener: Listener) {
    try {
      this.child = fork(program, [], {
        cwd: folderToStartIn(program),
        serialization: 'advanced',
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
        execArgv: [...THRIFTY_HEAP, ...limitedMemoryFlags()],
        // Each decoder needs a thread of Node's pool.
        env: { ...THRIFTY_MALLOC, ...env, UV_THREADPOOL_SIZE: String(first.setup.decoders + 2) },
        ...(signal && { signal, killSignal: 'SIGKILL' }),
      });
    } catch (error) {
      setImmediate(() => listener.onDeath(messageOf(error)));
      return;
    }
    const { child } = this;
    child.on('message', (replies: readonly Reply[]) => {
      if (!this.killed) listener.onReplies(replies);
    });
    child.on('error', (error) => {
      if (child.pid === undefined && !this.killed) listener.onDeath(messageOf(error)); // otherwise 'exit' reports it, or it was killed on purpose
    });
    child.on('exit', (code, by) => {
      this.endWatch?.();
      if (!this.killed && !signal?.aborted) listener.onDeath(by ?? ENDINGS[code ?? 0] ?? `exit code ${code}`);
    });
    if (memory !== undefined && child.pid !== undefined)
      this.endWatch = watchMemory(child.pid, memory, () => {
        if (this.killed) return;
        this.kill();
        listener.onExcess();
      });
    this.send(first);
  }

  /** Requests of one turn of the event loop are sent together. */
  send(request: Request): void {
    if (this.outbox.push(request) > 1) return;
    setImmediate(() => {
      if (!this.killed && this.child?.connected) this.child.send(this.outbox.splice(0), () => {});
    });
  }

  /** Whether answers are awaited. If not, the worker process does not keep this process running. */
  await(isAwaited: boolean): void {
    const { child } = this;
    if (child === undefined || this.killed) return;
    if (isAwaited) {
      child.ref();
      child.channel?.ref();
    } else {
      child.unref();
      child.channel?.unref();
    }
  }

  /** Does not wait for the end: a process that reads from a disk that does not answer cannot even be killed. */
  kill(): void {
    this.killed = true;
    this.endWatch?.();
    this.child?.kill('SIGKILL');
    if (this.child?.connected) this.child.disconnect();
    this.child?.unref();
  }
}
