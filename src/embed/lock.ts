/** A lock with one holder at a time, in the order of requests. */
export class Lock {
  private last: Promise<void> = Promise.resolve();

  /** @returns a function that releases the lock */
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
