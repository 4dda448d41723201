import { ImageError, type ImageErrorCode, ModelError, runErrorOf, UsageError } from '../errors.ts';
import type { DecodeOptions } from '../image/decode-options.ts';
import { type ImageSource, identityOf } from '../image/source.ts';
import type { Provider } from '../model/choices.ts';
import { l2Normalize } from '../tensor.ts';
import type { Embedded, ImageEncoder, Phase } from './encoder.ts';
import { EncoderProcess, type Launch } from './encoder-process.ts';
import { diedOften, lacksThreads, tookMemory } from './failures.ts';
import { imageErrorOf, type JobReply, type Reply, type Setup } from './messages.ts';
import { type Neighbour, Quiet } from './quiet.ts';
import { type TimeLimits, Watchdog } from './watchdog.ts';

/** An image in progress. */
interface Job {
  readonly id: number;
  readonly source: ImageSource;
  readonly options: DecodeOptions;
  readonly done: (result: Embedded) => void;
  readonly failed: (error: unknown) => void;
  /** 'kept': not sent yet, or to be sent again. 'sent': the worker process has not begun with it. */
  phase: 'kept' | 'sent' | Phase;
  /** It was in progress when a worker process died or hung. It is tried again alone. */
  suspect: boolean;
  /** How often it has been sent alone. */
  trials: number;
}

/** Trials alone before an image gets E_CRASH. One is not enough: a lack of memory can also kill a process twice. */
const TRIALS = 2;
/** If worker processes die more often than this before the model is open, the run ends. */
const DEATHS_WHILE_OPENING = 2;
/** If worker processes are stuck more often than this while no image is in progress, the run ends. */
const STUCK_WITHOUT_CAUSE = 2;
/** If this many images hang in the graph alone before any image succeeds, the model is the cause. */
const HOPELESS = 16;

/**
 * Encodes images in a worker process, so that no image can crash or block this process, or fill its memory. The worker gets paths or
 * bytes, and returns embeddings.
 *
 * - If the worker process dies, a new one is started. The images that were in progress are suspects. Each suspect is tried alone, while
 *   no other process works ({@link Quiet}). A suspect whose process dies in {@link TRIALS} trials gets E_CRASH.
 * - If the worker process makes no progress, it is killed. The images that it was decoding or running are suspects. An image that was
 *   the only suspect gets E_TIMEOUT.
 * - If the limit of threads was reached meanwhile, no image is the cause. The suspects are tried again. If that fails, the run ends.
 *
 * So every image has exactly one result, or the run ends with an error.
 */
export class IsolatedEncoder implements ImageEncoder, Neighbour {
  private readonly jobs = new Map<number, Job>();
  private readonly watchdog: Watchdog;
  private child: EncoderProcess | undefined;
  private isOpen = false;
  private deathsWhileOpening = 0;
  private stuckWithoutCause = 0;
  private nextId = 0;
  private batchBegan: number | undefined;
  private broken: unknown;
  /** Settled by the first worker process that opens the model, or when none can. */
  private readonly opened: Promise<Provider>;
  private onOpened!: (provider: Provider) => void;
  private onBroken!: (error: unknown) => void;
  private readonly onAbort = () => this.fail(this.keeping.signal?.reason);
  /** An image got E_CRASH or E_TIMEOUT since the last trial of suspects ended, so it explains the crash. */
  private isExplained = false;
  /** A worker process has opened the model before. */
  private wasOpen = false;
  /** Images that hung in the graph alone. After the first success, they do not count. */
  private hopeless = 0;

  /** @param quiet shared with the encoders that work next to this one */
  constructor(
    private readonly setup: Setup,
    private readonly keeping: TimeLimits & Launch,
    private readonly quiet = new Quiet(),
  ) {
    quiet.join(this);
    this.opened = new Promise((done, failed) => {
      this.onOpened = done;
      this.onBroken = failed;
    });
    this.opened.catch(() => {}); // encode() also reports it
    const state = () => {
      if (this.child === undefined || (this.isOpen && this.jobs.size === 0)) return 'idle';
      return this.isOpen ? 'working' : 'opening';
    };
    this.watchdog = new Watchdog(keeping, state, (seconds) => this.onStuck(seconds));
    if (keeping.signal?.aborted) this.onAbort();
    keeping.signal?.addEventListener('abort', this.onAbort);
  }

  provider(): Promise<Provider> {
    this.sendWhatMayGo();
    return this.opened;
  }

  encode(source: ImageSource, options: DecodeOptions): Promise<Embedded> {
    return new Promise((done, failed) => {
      if (this.broken !== undefined) return failed(this.broken);
      const id = this.nextId++;
      this.jobs.set(id, { id, source, options, done, failed, phase: 'kept', suspect: false, trials: 0 });
      this.sendWhatMayGo();
    });
  }

  async release(): Promise<void> {
    this.watchdog.stop();
    this.keeping.signal?.removeEventListener('abort', this.onAbort);
    this.fail(new UsageError('the model has been released', 'call loadModel again'));
  }

  private start(): EncoderProcess {
    this.watchdog.started();
    return new EncoderProcess({ kind: 'open', setup: this.setup }, this.keeping, {
      onReplies: (replies) => {
        this.watchdog.progress();
        const { child } = this;
        for (const reply of replies) if (this.child === child) this.onReply(reply); // a reply may end the process
        this.proceed();
      },
      onDeath: (how) => this.onDeath(how),
      onExcess: () => this.fail(tookMemory(this.setup.model, this.keeping)),
    });
  }

  isIdle(): boolean {
    return [...this.jobs.values()].every(({ phase }) => phase === 'kept');
  }

  wake(): void {
    if (this.jobs.size > 0) this.sendWhatMayGo();
  }

  makeRoom(): void {
    if (this.isOpen && this.isIdle()) this.kill();
  }

  /** Sends what may be sent now. If this encoder is then idle, the one that waits for quiet is told. */
  private proceed(): void {
    this.sendWhatMayGo();
    if (this.isIdle()) this.quiet.rested();
  }

  /**
   * Sends all waiting images at once. If there are suspects, sends one of them, and only while nothing else runs in any process. Sends
   * nothing before the model is open, so that no image is reported as the cause if the model cannot be opened.
   */
  private sendWhatMayGo(): void {
    if (this.broken !== undefined) return;
    if (this.child === undefined && this.wasOpen && this.quiet.isWantedByOther(this)) return; // makeRoom() ended the process
    this.child ??= this.start();
    this.child.await(!this.isOpen || this.jobs.size > 0);
    if (!this.isOpen) return;
    const jobs = [...this.jobs.values()];
    const kept = jobs.filter(({ phase }) => phase === 'kept');
    const suspects = jobs.filter(({ suspect }) => suspect);
    const alone = suspects.length > 0;
    if (!alone) {
      this.quiet.end(this, this.isExplained);
      this.isExplained = false;
    }
    if (alone && (kept.length < jobs.length || !this.quiet.begin(this))) return;
    if (this.quiet.isWantedByOther(this)) return;
    for (const job of alone ? suspects.slice(0, 1) : kept) {
      job.phase = 'sent';
      if (alone) job.trials++;
      this.child.send({ kind: 'encode', id: job.id, source: job.source, options: job.options });
    }
  }

  /** @returns the images that the process has not answered yet */
  private kill(): Job[] {
    this.child?.kill();
    this.child = undefined;
    this.isOpen = false;
    this.batchBegan = undefined;
    return [...this.jobs.values()].filter(({ phase }) => phase !== 'kept');
  }

  private onDeath(how: string): void {
    const wasOpen = this.isOpen;
    const unanswered = this.kill();
    if (!wasOpen && ++this.deathsWhileOpening > DEATHS_WHILE_OPENING) {
      const { deathsWhileOpening, keeping, setup } = this;
      const error = diedOften(setup.model, how, deathsWhileOpening, keeping.weightBytes);
      this.fail(this.watchdog.lacksThreads() ? lacksThreads(setup.model) : error);
    }
    for (const job of unanswered) {
      job.phase = 'kept';
      job.suspect = true;
      if (job.trials < TRIALS) continue;
      if (this.watchdog.lacksThreads()) this.fail(lacksThreads(this.setup.model));
      else this.settle(job, 'E_CRASH', `crashed the worker process (${how})`, 'remove this image');
    }
    this.proceed();
  }

  private onStuck(seconds: number): void {
    const wasOpen = this.isOpen;
    const unanswered = this.kill();
    const running = unanswered.filter(({ phase }) => phase === 'running');
    const decoding = unanswered.filter(({ phase }) => phase === 'decoding');
    // Inference blocks the process, so images that were being decoded at that time are not the cause.
    const suspects = running.length > 0 ? running : decoding;
    const isThreadless = this.watchdog.lacksThreads();
    if (isThreadless && (!wasOpen || suspects.some(({ trials }) => trials > 0))) {
      this.fail(lacksThreads(this.setup.model));
    } else if (!wasOpen || (suspects.length === 0 && ++this.stuckWithoutCause > STUCK_WITHOUT_CAUSE)) {
      const fact = `the worker process has made no progress for ${seconds.toFixed(0)} s`;
      this.fail(new ModelError(fact, 'increase `timeout`, or download the model again'));
    }
    for (const job of unanswered) job.phase = 'kept';
    for (const job of suspects) {
      job.suspect = true;
      if (suspects.length > 1 || isThreadless) continue;
      const fact = `timed out after ${seconds.toFixed(0)} s`;
      this.settle(job, 'E_TIMEOUT', fact, 'increase `timeout`, or remove this image');
      if (job === running[0]) this.hopeless++;
    }
    if (this.hopeless >= HOPELESS) {
      const fact = `${this.setup.model} timed out for each of the first ${HOPELESS} images`;
      this.fail(new ModelError(fact, 'increase `timeout`, or download the model again'));
    }
    this.proceed();
  }

  private onReply(reply: Reply): void {
    if (reply.kind === 'failed') this.fail(runErrorOf(reply.error));
    else if (reply.kind === 'open') {
      this.isOpen = true;
      this.wasOpen = true;
      this.deathsWhileOpening = 0;
      this.onOpened(reply.provider);
    } else if ('id' in reply) {
      const job = this.jobs.get(reply.id);
      if (job !== undefined) this.onJobReply(job, reply);
    }
  }

  private onJobReply(job: Job, reply: JobReply): void {
    const identity = identityOf(job.source);
    if (reply.kind === 'phase') {
      job.phase = reply.phase;
      if (reply.phase === 'running') this.batchBegan ??= performance.now();
    } else if (reply.kind === 'bad image') {
      this.answer(job, { ok: false, ...identity, error: imageErrorOf(reply.error) });
      if (reply.error.code === 'E_TIMEOUT') for (const other of this.kill()) other.phase = 'kept'; // the process is still busy with that image
    } else {
      if (this.batchBegan !== undefined) this.watchdog.batchTook((performance.now() - this.batchBegan) / 1000);
      this.batchBegan = undefined;
      this.hopeless = Number.NEGATIVE_INFINITY; // the model works
      const { embedding: data, notes } = reply;
      this.answer(job, {
        ok: true,
        ...identity,
        ...(notes && { notes }),
        embedding: l2Normalize({ rows: 1, columns: data.length, data }),
      });
    }
  }

  /** Reports an image as the cause of a crash or a timeout. */
  private settle(job: Job, code: ImageErrorCode, what: string, nextStep: string): void {
    const identity = identityOf(job.source);
    this.isExplained = true;
    this.answer(job, { ok: false, ...identity, error: new ImageError(code, `${identity.image} ${what}`, nextStep) });
  }

  private answer(job: Job, result: Embedded): void {
    this.jobs.delete(job.id);
    if (this.isOpen && this.jobs.size === 0) {
      this.child?.await(false);
      if (this.quiet.isSurplus(this)) this.makeRoom();
    }
    job.done(result);
  }

  /** Ends the run: every image in progress and every later one gets this error. */
  private fail(error: unknown): void {
    this.broken ??= error;
    this.onBroken(error);
    for (const job of this.jobs.values()) job.failed(error);
    this.jobs.clear();
    this.kill();
    this.quiet.leave(this);
  }
}
