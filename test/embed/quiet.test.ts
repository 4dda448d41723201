import { describe, expect, it } from 'vitest';
import { type Neighbour, Quiet } from '../../src/embed/quiet.ts';

function neighbour(): Neighbour & { busy: boolean; woken: number; rooms: number } {
  return {
    busy: false,
    woken: 0,
    rooms: 0,
    isIdle() {
      return !this.busy;
    },
    wake() {
      this.woken++;
    },
    makeRoom() {
      this.rooms++;
    },
  };
}

describe('quiet', () => {
  it('begins when every other neighbour is idle, and they begin nothing until it ends', () => {
    const quiet = new Quiet();
    const [one, other] = [neighbour(), neighbour()];
    quiet.join(one);
    quiet.join(other);
    other.busy = true;
    expect(quiet.begin(one)).toBe(false);
    expect(quiet.isWantedByOther(other)).toBe(true);
    other.busy = false;
    quiet.rested();
    expect([one.woken, other.rooms]).toEqual([1, 0]);
    expect([quiet.begin(one), other.rooms]).toEqual([true, 1]);
    expect(quiet.begin(other)).toBe(false);
    quiet.end(one);
    expect([other.woken, quiet.begin(other)]).toEqual([1, true]);
  });

  it('is not kept by a neighbour that leaves', () => {
    const quiet = new Quiet();
    const [one, other] = [neighbour(), neighbour()];
    quiet.join(one);
    quiet.join(other);
    quiet.begin(one);
    quiet.leave(one);
    expect(quiet.begin(other)).toBe(true);
  });

  it('finds the neighbours crowded after two crashes that no image explains', () => {
    const quiet = new Quiet();
    const [one, other] = [neighbour(), neighbour()];
    quiet.join(one);
    quiet.join(other);
    for (const isExplained of [false, true, false]) {
      expect([quiet.isCrowded, quiet.isSurplus(other)]).toEqual([false, false]);
      quiet.begin(other);
      quiet.end(other, isExplained);
    }
    expect([quiet.isCrowded, quiet.isSurplus(other), quiet.isSurplus(one)]).toEqual([true, true, false]);
  });
});
