/** Lets work run side by side while its costs fit into a limit, in the order of requests. Work that costs more than the limit runs alone. */
export class Budget {
  private spent = 0;
  private readonly waiting: { readonly cost: number; readonly begin: () => void }[] = [];

  constructor(private readonly limit: number) {}

  async spend<T>(cost: number, work: () => Promise<T>): Promise<T> {
    await new Promise<void>((begin) => {
      this.waiting.push({ cost, begin });
      this.admit();
    });
    try {
      return await work();
    } finally {
      this.spent -= cost;
      this.admit();
    }
  }

  private admit(): void {
    for (;;) {
      const [next] = this.waiting;
      if (next === undefined || (this.spent > 0 && this.spent + next.cost > this.limit)) return;
      this.waiting.shift();
      this.spent += next.cost;
      next.begin();
    }
  }
}
