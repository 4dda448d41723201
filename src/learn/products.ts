/**
 * The products of some rows with a vector: `out = rows · vector`. Four rows share each number of the vector, and their sums do
 * not wait for each other.
 *
 * @param rows [C, D]
 * @param vector [D]
 * @param out [C]
 */
export function multiply(rows: ArrayLike<number>, vector: ArrayLike<number>, out: Float64Array): void {
  const width = vector.length;
  const whole = out.length - (out.length % 4);
  for (let c = 0; c < whole; c += 4) {
    const [a, b, e, f] = [c * width, (c + 1) * width, (c + 2) * width, (c + 3) * width];
    let [s0, s1, s2, s3] = [0, 0, 0, 0];
    for (let d = 0; d < width; d++) {
      const value = vector[d] as number;
      s0 += (rows[a + d] as number) * value;
      s1 += (rows[b + d] as number) * value;
      s2 += (rows[e + d] as number) * value;
      s3 += (rows[f + d] as number) * value;
    }
    out[c] = s0;
    out[c + 1] = s1;
    out[c + 2] = s2;
    out[c + 3] = s3;
  }
  for (let c = whole; c < out.length; c++) {
    let sum = 0;
    for (let d = 0; d < width; d++) sum += (rows[c * width + d] as number) * (vector[d] as number);
    out[c] = sum;
  }
}
