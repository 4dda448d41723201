/** Limits the bytes of items in memory. While there are more than the limit, no item is added. */
export class Held {
  private bytes = 0;
  private onRoom = () => {};

  constructor(private readonly limit: number) {}

  /** The same items. Each is read when there is room, and counts until it is released. */
  async *throttle<T>(items: Iterable<T> | AsyncIterable<T>, bytesOf: (item: T) => number): AsyncGenerator<T> {
    for await (const item of items) {
      this.bytes += bytesOf(item);
      yield item;
      if (this.bytes >= this.limit)
        await new Promise<void>((done) => {
          this.onRoom = done;
        });
    }
  }

  release(bytes: number): void {
    this.bytes -= bytes;
    if (this.bytes < this.limit) this.onRoom();
  }
}

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
