import pLimit from 'p-limit';
import { busy } from './problems.ts';

/**
 * A limited queue of images. It has no timer: the encoder takes the images that came while its last batch ran. If a client disconnects,
 * its images that have not begun are removed.
 */
export class ImageQueue {
  private held = 0;
  private readonly running: ReturnType<typeof pLimit>;

  /**
   * @param places the most images that wait or run
   * @param ahead the most images that are passed to the encoder, which fills its batches from them
   */
  constructor(
    private readonly places: number,
    ahead: number,
  ) {
    this.running = pLimit(ahead);
  }

  /** Images that wait or run. */
  get length(): number {
    return this.held;
  }

  /**
   * Runs tasks, one for each image.
   *
   * @param signal aborted if the client has disconnected
   * @throws Problem 429 if there are fewer places than tasks; no task has begun then
   */
  async run<T>(tasks: readonly (() => Promise<T>)[], signal: AbortSignal): Promise<T[]> {
    if (this.held + tasks.length > this.places) throw busy(`the queue of ${this.places} images is full`);
    return Promise.all(tasks.map((task) => this.place(task, signal)));
  }

  private async place<T>(task: () => Promise<T>, signal: AbortSignal): Promise<T> {
    this.held++;
    let isHeld = true;
    const leave = () => {
      if (isHeld) this.held--;
      isHeld = false;
    };
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await this.running(async () => {
        signal.throwIfAborted();
        signal.removeEventListener('abort', leave);
        return task();
      });
    } finally {
      signal.removeEventListener('abort', leave);
      leave();
    }
  }
}
