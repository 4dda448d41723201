/** Lets work run side by side, except work that asks to be alone. */
export class Turns {
  private running = 0;
  private gate: Promise<unknown> = Promise.resolve();
  private onIdle: (() => void) | undefined;

  async together<T>(work: () => Promise<T>): Promise<T> {
    for (let seen: unknown; seen !== this.gate; ) {
      seen = this.gate;
      await this.gate;
    }
    this.running++;
    try {
      return await work();
    } finally {
      this.running--;
      if (this.running === 0) this.onIdle?.();
    }
  }

  /** Waits for running work, and holds back new work until this one is done. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const before = this.gate;
    let open = () => {};
    this.gate = new Promise<void>((done) => {
      open = done;
    });
    await before;
    if (this.running > 0) {
      await new Promise<void>((done) => {
        this.onIdle = done;
      });
    }
    this.onIdle = undefined;
    try {
      return await work();
    } finally {
      open();
    }
  }
}
