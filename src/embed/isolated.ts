import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type ClipError, ImageError, type ImageErrorCode, ModelError, UsageError } from '../errors.ts';
import type { DecodeOptions } from '../image/decode.ts';
import { type ImageSource, nameOf } from '../image/source.ts';
import type { Env } from '../model/environment.ts';
import type { Provider } from '../model/provider.ts';
import { l2Normalize } from '../tensor.ts';
import type { Embedded, ImageEncoder, Stage } from './encoder.ts';
import { imageErrorOf, type JobReply, type Reply, type Request, runErrorOf, type Setup } from './messages.ts';
import { type Patience, Watchdog } from './watchdog.ts';

/** How the child process is kept. */
export interface Keeping extends Patience {
  readonly env: Env;
  /** Kills the child at once. */
  readonly signal?: AbortSignal | undefined;
}

/** An image on its way. */
interface Job {
  readonly id: number;
  readonly source: ImageSource;
  readonly options: DecodeOptions;
  readonly done: (result: Embedded) => void;
  readonly failed: (error: ClipError) => void;
  /** 'kept': not yet sent; 'sent': the child has not begun with it. */
  stage: 'kept' | 'sent' | Stage;
  /** It was under way when a child died, and is tried once more with nothing beside it. */
  suspect: boolean;
}

const CHILD = fileURLToPath(new URL('../../bin/image-encoder.js', import.meta.url));

/** A child that dies so often before it has opened the model will never open it. */
const DEATHS_WHILE_OPENING = 2;
/** The same of one that is stuck while it is at no image. */
const STUCK_WITHOUT_CAUSE = 2;

/**
 * Encodes images in a child process, so that no image can crash, hang or bloat this one: paths or bytes go in, embeddings
 * come out.
 *
 * A child that dies is replaced: the images that it had under way are tried once more, each alone, and one that kills
 * it again gets E_CRASH. A child that makes no progress is killed: the images that it was at get E_TIMEOUT, the others are
 * sent again. So every image has one result, whatever happens.
 */
export class IsolatedEncoder implements ImageEncoder {
  private readonly jobs = new Map<number, Job>();
  private readonly watchdog: Watchdog;
  private child: ChildProcess | undefined;
  private isOpen = false;
  private deathsWhileOpening = 0;
  private nextId = 0;
  private outbox: Request[] = [];
  private batchBegan: number | undefined;
  private stuckWithoutCause = 0;
  private broken: ClipError | undefined;
  /** Settled by the first child that opens the model, or when none can. */
  private readonly opened: Promise<Provider>;
  private onOpened!: (provider: Provider) => void;
  private onBroken!: (error: ClipError) => void;

  constructor(
    private readonly setup: Setup,
    private readonly keeping: Keeping,
  ) {
    this.opened = new Promise((done, failed) => {
      this.onOpened = done;
      this.onBroken = failed;
    });
    this.opened.catch(() => {}); // encode() tells of it too
    const isWorking = () => this.child !== undefined && (this.jobs.size > 0 || !this.isOpen);
    this.watchdog = new Watchdog(keeping, isWorking, (seconds) => this.onStuck(seconds));
  }

  provider(): Promise<Provider> {
    if (this.child === undefined && this.broken === undefined) this.start();
    return this.opened;
  }

  encode(source: ImageSource, options: DecodeOptions): Promise<Embedded> {
    return new Promise((done, failed) => {
      if (this.broken) return failed(this.broken);
      const job: Job = { id: this.nextId++, source, options, done, failed, stage: 'kept', suspect: false };
      this.jobs.set(job.id, job);
      this.sendWhatMayGo();
    });
  }

  async release(): Promise<void> {
    this.watchdog.stop();
    this.fail(new UsageError('the model has been released', 'load it again'));
  }

  private start(): void {
    const { env, signal } = this.keeping;
    const child = fork(CHILD, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      execArgv: [],
      // Each decoder needs a thread of Node's pool; glibc keeps what many arenas have freed.
      env: { MALLOC_ARENA_MAX: '2', ...env, UV_THREADPOOL_SIZE: String(this.setup.decoders + 2) },
      ...(signal && { signal, killSignal: 'SIGKILL' }),
    });
    this.child = child;
    this.isOpen = false;
    this.watchdog.progress();
    child.on('message', (replies: readonly Reply[]) => {
      if (child !== this.child) return;
      this.watchdog.progress();
      for (const reply of replies) this.onReply(reply);
      this.sendWhatMayGo();
    });
    child.on('error', () => {}); // told by exit, or killed on purpose
    child.on('exit', (code, by) => {
      if (child === this.child && !signal?.aborted) this.onDeath(by ?? `exit code ${code}`);
    });
    this.post({ kind: 'open', setup: this.setup });
  }

  /** @returns what the child had not answered yet */
  private kill(): Job[] {
    const { child } = this;
    this.child = undefined;
    this.batchBegan = undefined;
    this.outbox = [];
    child?.kill('SIGKILL');
    return [...this.jobs.values()].filter(({ stage }) => stage !== 'kept');
  }

  private onDeath(how: string): void {
    const wasOpen = this.isOpen;
    const unanswered = this.kill();
    if (!wasOpen && ++this.deathsWhileOpening > DEATHS_WHILE_OPENING) {
      const fact = `the process that encodes images ended with ${how} while it opened ${this.setup.model}`;
      this.fail(new ModelError(fact, 'free some memory or take a smaller model; clip-classify doctor looks further'));
      return;
    }
    for (const job of unanswered) {
      job.stage = 'kept';
      if (!wasOpen) continue;
      if (job.suspect) this.settle(job, 'E_CRASH', `crashed the process that encodes images (${how})`, 'leave it out');
      job.suspect = true;
    }
    this.sendWhatMayGo();
  }

  private onStuck(seconds: number): void {
    const wasOpen = this.isOpen;
    const unanswered = this.kill();
    const running = unanswered.filter(({ stage }) => stage === 'running');
    const guilty = running.length > 0 ? running : unanswered.filter(({ stage }) => stage === 'decoding');
    if (!wasOpen || (guilty.length === 0 && ++this.stuckWithoutCause > STUCK_WITHOUT_CAUSE)) {
      const fact = `the process that encodes images has been stuck for ${seconds.toFixed(0)} s`;
      this.fail(new ModelError(fact, 'wait longer with --timeout, or fetch the model again'));
      return;
    }
    for (const job of unanswered) job.stage = 'kept';
    for (const job of guilty) {
      const fact = `was not done after ${seconds.toFixed(0)} s`;
      this.settle(job, 'E_TIMEOUT', fact, 'wait longer with --timeout, or leave it out');
    }
    this.sendWhatMayGo();
  }

  /** Everything at once, but a suspect only alone. */
  private sendWhatMayGo(): void {
    const jobs = [...this.jobs.values()];
    const suspects = jobs.some(({ suspect }) => suspect);
    const underWay = jobs.some(({ stage }) => stage !== 'kept');
    if (suspects && underWay) return;
    const next = suspects
      ? jobs.filter(({ suspect }) => suspect).slice(0, 1)
      : jobs.filter(({ stage }) => stage === 'kept');
    if (next.length === 0) return;
    if (this.child === undefined) this.start();
    for (const job of next) {
      job.stage = 'sent';
      this.post({ kind: 'encode', id: job.id, source: job.source, options: job.options });
    }
  }

  private post(request: Request): void {
    if (this.outbox.push(request) > 1) return;
    setImmediate(() => {
      const requests = this.outbox.splice(0);
      if (this.child?.connected) this.child.send(requests, () => {});
    });
  }

  private onReply(reply: Reply): void {
    if (reply.kind === 'failed') this.fail(runErrorOf(reply.error));
    else if (reply.kind === 'open') {
      this.isOpen = true;
      this.deathsWhileOpening = 0;
      this.onOpened(reply.provider);
    } else {
      const job = this.jobs.get(reply.id);
      if (job !== undefined) this.onJobReply(job, reply);
    }
  }

  private onJobReply(job: Job, reply: JobReply): void {
    const image = nameOf(job.source);
    if (reply.kind === 'stage') {
      job.stage = reply.stage;
      if (reply.stage === 'running') this.batchBegan ??= performance.now();
    } else if (reply.kind === 'bad image') {
      this.answer(job, { ok: false, image, error: imageErrorOf(reply.error) });
    } else {
      if (this.batchBegan !== undefined) this.watchdog.batchTook((performance.now() - this.batchBegan) / 1000);
      this.batchBegan = undefined;
      const { embedding: data } = reply;
      this.answer(job, { ok: true, image, embedding: l2Normalize({ rows: 1, columns: data.length, data }) });
    }
  }

  private settle(job: Job, code: ImageErrorCode, what: string, nextStep: string): void {
    const image = nameOf(job.source);
    this.answer(job, { ok: false, image, error: new ImageError(code, `${image} ${what}`, nextStep) });
  }

  private answer(job: Job, result: Embedded): void {
    this.jobs.delete(job.id);
    job.done(result);
  }

  /** The model cannot be run at all. */
  private fail(error: ClipError): void {
    this.broken = error;
    this.onBroken(error);
    for (const job of this.jobs.values()) job.failed(error);
    this.jobs.clear();
    this.kill();
  }
}
