import { ModelError } from '../errors.ts';
import { diedOften, tookMemory } from './apart.ts';
import { EncoderProcess, type Launch } from './encoder-process.ts';
import type { EncodedPart, LabelPrompts, LabelRows } from './labels.ts';
import { Lock } from './lock.ts';
import { type Reply, runErrorOf, type Setup } from './messages.ts';
import { type Patience, Watchdog } from './watchdog.ts';

/** A child that dies more often over the same texts will never encode them. */
const DEATHS = 2;

/** The texts that the child is at. */
interface Job {
  readonly prompts: LabelPrompts;
  readonly onPart: (part: EncodedPart) => void;
  readonly done: (rows: LabelRows) => void;
  readonly failed: (error: unknown) => void;
  deaths: number;
}

/**
 * Encodes texts in one child process that keeps the text graph open, so that a text costs an inference and no start, and no
 * inference blocks this process. A child that dies is replaced and asked again; one that makes no progress is killed.
 */
export class TextProcess {
  private readonly lock = new Lock();
  private readonly watchdog: Watchdog;
  private child: EncoderProcess | undefined;
  private job: Job | undefined;
  private isOpen = false;

  constructor(
    private readonly setup: Setup,
    private readonly keeping: Patience & Launch,
  ) {
    const state = () => (this.job === undefined ? 'idle' : this.isOpen ? 'working' : 'opening');
    this.watchdog = new Watchdog(keeping, state, (seconds) => {
      this.end();
      const fact = `the text encoder of ${setup.model} has made no progress for ${seconds.toFixed(0)} s`;
      this.settle()?.failed(new ModelError(fact, 'increase `timeout`, or download the model again'));
    });
  }

  /** As `encodeLabels`, one call after the other. @throws LabelsError, ModelError or ProviderError */
  async encodeLabels(prompts: LabelPrompts, onPart: (part: EncodedPart) => void = () => {}): Promise<LabelRows> {
    const release = await this.lock.lock();
    try {
      return await new Promise((done, failed) => {
        this.keeping.signal?.throwIfAborted();
        this.job = { prompts, onPart, done, failed, deaths: 0 };
        this.watchdog.progress();
        this.ask();
      });
    } finally {
      release();
    }
  }

  /** Ends the child; what is under way fails. */
  release(): void {
    this.watchdog.stop();
    this.end();
    this.settle()?.failed(new ModelError('the model has been released', 'call loadModel again'));
  }

  private ask(): void {
    if (this.job === undefined) return;
    const request = { kind: 'labels', setup: this.setup, prompts: this.job.prompts, keep: true } as const;
    if (this.child === undefined) this.child = this.start(request);
    else this.child.send(request);
    this.child.await(true);
  }

  private start(first: ConstructorParameters<typeof EncoderProcess>[0]): EncoderProcess {
    return new EncoderProcess(first, this.keeping, {
      onReplies: (replies) => replies.forEach((reply) => this.onReply(reply)),
      onDeath: (how) => {
        this.keeping.onDeath?.(how);
        this.end();
        const { job } = this;
        if (job === undefined) return;
        if (++job.deaths > DEATHS) this.settle()?.failed(diedOften(this.setup.model, how));
        else this.ask();
      },
      onExcess: () => {
        this.end();
        this.settle()?.failed(tookMemory(this.setup.model, this.keeping));
      },
    });
  }

  private onReply(reply: Reply): void {
    this.watchdog.progress();
    if (reply.kind === 'alive') this.isOpen = true;
    else if (reply.kind === 'labels') this.job?.onPart(reply.part);
    else if (reply.kind === 'rows') this.settle()?.done(reply.rows);
    else if (reply.kind === 'failed') this.settle()?.failed(runErrorOf(reply.error));
  }

  private settle(): Job | undefined {
    const { job } = this;
    this.job = undefined;
    this.child?.await(false);
    return job;
  }

  private end(): void {
    this.child?.kill();
    this.child = undefined;
    this.isOpen = false;
  }
}
