/** An encoder that works next to others. */
export interface Neighbour {
  /** Whether it has no work in progress. */
  isIdle(): boolean;
  /** Tells it to check again whether it may begin work. */
  wake(): void;
  /** Frees the memory that it does not need while it is idle. */
  makeRoom(): void;
}

/** After this many crashes that no image explains, memory counts as too short for several processes. */
const UNEXPLAINED = 2;

/** Lets one neighbour work while the others do nothing. */
export class Quiet {
  private readonly neighbours = new Set<Neighbour>();
  private holder: Neighbour | undefined;
  private unexplained = 0;

  /**
   * Whether processes have crashed next to each other although each of their images succeeds alone. Then only the first neighbour should
   * get further work.
   */
  get isCrowded(): boolean {
    return this.unexplained >= UNEXPLAINED;
  }

  /** Whether this neighbour gets no further work, because memory is enough for the first neighbour only. */
  isSurplus(neighbour: Neighbour): boolean {
    const [first] = this.neighbours;
    return this.isCrowded && neighbour !== first;
  }

  join(neighbour: Neighbour): void {
    this.neighbours.add(neighbour);
  }

  leave(neighbour: Neighbour): void {
    this.neighbours.delete(neighbour);
    this.end(neighbour);
  }

  /** Whether another neighbour wants quiet. No work may begin then. */
  isWantedByOther(neighbour: Neighbour): boolean {
    return this.holder !== undefined && this.holder !== neighbour;
  }

  /**
   * Asks for quiet. When all others are idle, they make room, because an idle process still holds the weights.
   *
   * @returns whether it is quiet now; if not, `wake` is called when it may be
   */
  begin(neighbour: Neighbour): boolean {
    this.holder ??= neighbour;
    const others = this.othersOf(neighbour);
    if (this.holder !== neighbour || !others.every((other) => other.isIdle())) return false;
    for (const other of others) other.makeRoom();
    return true;
  }

  /** Called when work has ended, because a neighbour may be waiting for quiet. */
  rested(): void {
    this.holder?.wake();
  }

  /**
   * Ends the quiet.
   *
   * @param isExplained whether an image that was tried alone crashed or hung again
   */
  end(neighbour: Neighbour, isExplained = true): void {
    if (this.holder !== neighbour) return;
    this.holder = undefined;
    if (!isExplained) this.unexplained++;
    for (const other of this.othersOf(neighbour)) other.wake();
  }

  private othersOf(neighbour: Neighbour): Neighbour[] {
    return [...this.neighbours].filter((one) => one !== neighbour);
  }
}
