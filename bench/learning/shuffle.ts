/** Rows in a random order (Fisher and Yates). @param roll numbers in [0, 1) */
export function shuffle(rows: readonly number[], roll: () => number): number[] {
  const shuffled = [...rows];
  for (let n = shuffled.length - 1; n > 0; n--) {
    const other = Math.floor(roll() * (n + 1));
    [shuffled[n], shuffled[other]] = [shuffled[other] as number, shuffled[n] as number];
  }
  return shuffled;
}
