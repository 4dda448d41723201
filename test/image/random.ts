/** Marsaglia's xorshift: unsigned 32-bit numbers, the same ones for the same seed. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
