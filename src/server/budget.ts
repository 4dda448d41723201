import { busy } from './problems.ts';

/** Bytes of bodies that may be in memory at once. */
export class Budget {
  private left: number;

  constructor(bytes: number) {
    this.left = bytes;
  }

  /** @throws Problem 429 if so many bytes are not left */
  take(bytes: number): void {
    if (bytes > this.left) throw busy('the service holds as many bytes of other requests as it may');
    this.left -= bytes;
  }

  give(bytes: number): void {
    this.left += bytes;
  }
}
