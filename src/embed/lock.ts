/** Held by one at a time, in the order in which it was asked for. */
export class Lock {
  private last: Promise<void> = Promise.resolve();

  /** @returns what gives it back */
  async lock(): Promise<() => void> {
    const before = this.last;
    let release = () => {};
    this.last = new Promise((done) => {
      release = done;
    });
    await before;
    return release;
  }
}
