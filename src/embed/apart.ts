import type { Keeping } from './keeping.ts';
import type { EncodedPart, LabelPrompts, LabelRows } from './labels.ts';
import type { Setup } from './messages.ts';
import { TaskProcess } from './task-process.ts';

/** {@link encodeLabels} in a worker process, which can be killed if the tokenizer or the graph never ends. */
export class LabelProcess {
  private readonly worker: TaskProcess;
  private readonly keep: boolean;

  /** @param keptMs as {@link TaskProcess} takes it */
  constructor(
    private readonly setup: Setup,
    keeping: Keeping,
    keptMs: number,
  ) {
    this.worker = new TaskProcess(setup.model, keeping, keptMs);
    this.keep = keptMs > 0;
  }

  encodeLabels(prompts: LabelPrompts, onPart: (part: EncodedPart) => void = () => {}): Promise<LabelRows> {
    const { setup, keep } = this;
    return this.worker.run({ kind: 'labels', setup, prompts, keep }, (reply) => {
      if (reply.kind === 'labels') onPart(reply.part);
      return reply.kind === 'rows' ? reply.rows : undefined;
    });
  }

  release(): void {
    this.worker.release();
  }
}

/** {@link measureLogitScale} in a worker process of its own. */
export async function measureLogitScaleApart(setup: Setup, keeping: Keeping): Promise<number> {
  const worker = new TaskProcess(setup.model, keeping, 0);
  try {
    return await worker.run({ kind: 'scale', setup }, (reply) =>
      reply.kind === 'scale' ? reply.logitScale : undefined,
    );
  } finally {
    worker.release();
  }
}
