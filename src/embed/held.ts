/** Bytes that are held in memory. While there are more than so many, nothing is added to them. */
export class Held {
  private bytes = 0;
  private onRoom = () => {};

  constructor(private readonly limit: number) {}

  /** The same items; each is pulled when there is room, and held until it is released. */
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
