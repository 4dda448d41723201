/** An encoder that works next to others. */
export interface Neighbour {
  /** Nothing of its work is under way. */
  isIdle(): boolean;
  /** It may look again for what it may begin. */
  wake(): void;
}

/** Lets one neighbour work while the others rest. */
export class Quiet {
  private readonly neighbours = new Set<Neighbour>();
  private holder: Neighbour | undefined;

  join(neighbour: Neighbour): void {
    this.neighbours.add(neighbour);
  }

  leave(neighbour: Neighbour): void {
    this.neighbours.delete(neighbour);
    this.end(neighbour);
  }

  /** Whether another one wants quiet: then nothing is begun. */
  isWantedByOther(neighbour: Neighbour): boolean {
    return this.holder !== undefined && this.holder !== neighbour;
  }

  /** Asks for quiet. @returns whether it is quiet already; if not, the one who asks is woken when it may be */
  begin(neighbour: Neighbour): boolean {
    this.holder ??= neighbour;
    return this.holder === neighbour && this.othersOf(neighbour).every((other) => other.isIdle());
  }

  /** Something has ended: whoever waits for quiet may have it now. */
  rested(): void {
    this.holder?.wake();
  }

  /** Quiet is needed no more. */
  end(neighbour: Neighbour): void {
    if (this.holder !== neighbour) return;
    this.holder = undefined;
    for (const other of this.othersOf(neighbour)) other.wake();
  }

  private othersOf(neighbour: Neighbour): Neighbour[] {
    return [...this.neighbours].filter((one) => one !== neighbour);
  }
}
