import { LabelsError, runErrorOf, UsageError } from '../errors.ts';
import { EncoderProcess } from './encoder-process.ts';
import { diedOften, lacksThreads, stuck, tookMemory } from './failures.ts';
import { Lock } from './held.ts';
import type { Keeping } from './keeping.ts';
import type { Reply, Task } from './messages.ts';
import { Watchdog } from './watchdog.ts';

/** After more deaths, a worker process will never finish its task. */
const DEATHS = 2;

/** The task in progress. */
interface Job {
  readonly task: Task;
  readonly onReply: (reply: Reply) => void;
  readonly failed: (error: unknown) => void;
  deaths: number;
}

/**
 * A worker process for texts, which does one task after the other. It is started for the first task, killed if a task never ends, and
 * replaced if it dies: the task is then tried again. After `keptMs` without a task it is ended, so that it does not hold memory for ever.
 */
export class TaskProcess {
  private readonly turns = new Lock();
  private readonly watchdog: Watchdog;
  private readonly onAbort = () => this.fail(this.keeping.signal?.reason);
  private child: EncoderProcess | undefined;
  private job: Job | undefined;
  private isOpen = false;
  private rest: NodeJS.Timeout | undefined;
  private broken: unknown;

  /** @param keptMs milliseconds that the process and its text graph are kept after a task; 0 ends the process with its task */
  constructor(
    private readonly model: string,
    private readonly keeping: Keeping,
    private readonly keptMs: number,
  ) {
    const state = () => (this.job === undefined ? 'idle' : this.isOpen ? 'working' : 'opening');
    this.watchdog = new Watchdog(keeping, state, (seconds) =>
      this.fail(this.watchdog.lacksThreads() ? lacksThreads(model) : stuck(model, seconds)),
    );
    keeping.signal?.addEventListener('abort', this.onAbort);
  }

  /**
   * Does a task when the tasks before it are done.
   *
   * @param answerIn returns the answer if a reply contains it
   * @throws ModelError if the process is stuck, dies several times or needs too much memory; the reason of an aborted signal
   */
  async run<T>(task: Task, answerIn: (reply: Reply) => T | undefined): Promise<T> {
    const release = await this.turns.lock();
    try {
      this.keeping.signal?.throwIfAborted();
      if (this.broken !== undefined) throw this.broken;
      return await new Promise<T>((done, failed) => {
        const onReply = (reply: Reply) => {
          const answer = answerIn(reply);
          if (answer === undefined) return;
          this.job = undefined;
          done(answer);
        };
        this.job = { task, onReply, failed, deaths: 0 };
        this.begin(task);
      });
    } finally {
      this.settle();
      release();
    }
  }

  /** Ends the process; a task in progress and every later one fail. */
  release(): void {
    this.broken ??= new UsageError('the model has been released', 'call loadModel again');
    this.watchdog.stop();
    this.keeping.signal?.removeEventListener('abort', this.onAbort);
    this.fail(this.broken);
  }

  private begin(task: Task): void {
    clearTimeout(this.rest);
    if (this.child === undefined) {
      this.watchdog.started();
      this.child = this.start(task);
    } else {
      this.watchdog.progress();
      this.child.send(task);
    }
    this.child.await(true);
  }

  private start(task: Task): EncoderProcess {
    return new EncoderProcess(task, this.keeping, {
      onReplies: (replies) => {
        this.watchdog.progress();
        for (const reply of replies) this.onReply(reply);
      },
      onDeath: (how) => this.onDeath(how),
      onExcess: () => this.fail(tookMemory(this.model, this.keeping)),
    });
  }

  private onReply(reply: Reply): void {
    if (reply.kind === 'alive') this.isOpen = true;
    if (reply.kind === 'failed') this.fail(runErrorOf(reply.error));
    else this.job?.onReply(reply);
  }

  private onDeath(how: string): void {
    const { job } = this;
    this.end();
    if (job === undefined) return;
    if (++job.deaths > DEATHS) this.fail(diedOften(this.model, how, job.deaths, this.keeping.weightBytes));
    else this.begin(job.task);
  }

  /** The process waits for the next task, for a while. */
  private settle(): void {
    if (this.keptMs === 0) this.end();
    if (this.child === undefined) return;
    this.child.await(false);
    this.rest = setTimeout(() => this.end(), this.keptMs).unref();
  }

  /** Labels that are refused do not end the process. */
  private fail(error: unknown): void {
    if (!(error instanceof LabelsError)) this.end();
    const { job } = this;
    this.job = undefined;
    job?.failed(error);
  }

  private end(): void {
    clearTimeout(this.rest);
    this.child?.kill();
    this.child = undefined;
    this.isOpen = false;
  }
}
