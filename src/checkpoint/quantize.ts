/** The greatest weight, in steps. */
export const LARGEST_STEP = 127;

/**
 * The greatest sum of two weights of neighbouring inputs, in steps. Processors with AVX2 but no VNNI add two products of an
 * unsigned activation and a signed weight in 16 bits that saturate (vpmaddubsw): 255 · 128 = 32,640 is the last multiple
 * that fits into 32,767. Weights of unlike sign can have all eight bits. So results do not depend on the machine.
 */
export const LARGEST_PAIR = 128;

/** A quantised matrix with one scale per output channel: `weight[o, i] ≈ steps[i, o] · scales[o]`. */
export interface QuantizedMatrix {
  /** `[in, out]`, the layout for integer products: each within ±{@link LARGEST_STEP}, sums of neighbours within ±{@link LARGEST_PAIR} */
  readonly steps: Int8Array;
  /** `[out]`, the size of a step */
  readonly scales: Float32Array;
}

const ROUNDING = LARGEST_STEP + 1.5;
/** Side of the squares in which a matrix is transposed, so that they stay in the first-level cache. */
const TILE = 64;

/**
 * Quantises a matrix symmetrically per output channel: no weight changes by more than half a step.
 *
 * @param weight `[out, in]`, or `[in, out]` if it is stored transposed
 * @returns undefined if a weight is not a finite number
 */
export function quantizeMatrix(
  weight: Float32Array,
  [outputs, inputs]: readonly [number, number],
  transposed = false,
): QuantizedMatrix | undefined {
  const [perOutput, perInput] = transposed ? [1, outputs] : [inputs, 1];
  const scales = new Float32Array(outputs);
  const steps = new Int8Array(weight.length);
  for (let o = 0; o < outputs; o++) {
    let [largest, largestPair, before, sum] = [0, 0, 0, 0];
    for (let i = 0, at = o * perOutput; i < inputs; i++, at += perInput) {
      const value = weight[at] as number;
      const size = value < 0 ? -value : value;
      const pair = value < 0 ? -value - before : value + before;
      if (size > largest) largest = size;
      if (pair > largestPair) largestPair = pair;
      before = value;
      sum += size;
    }
    if (!Number.isFinite(sum)) return undefined;
    // Rounding may add half a step to each of a pair.
    scales[o] = Math.max(largest / LARGEST_STEP, largestPair / (LARGEST_PAIR - 1));
  }
  // A multiplication by the inverse of the stored scale, a float. A channel of zeros stays zero.
  const inverse = Float64Array.from(scales, (scale) => (scale === 0 ? 0 : 1 / scale));
  for (let top = 0; top < outputs; top += TILE) {
    const bottom = Math.min(top + TILE, outputs);
    for (let left = 0; left < inputs; left += TILE) {
      const right = Math.min(left + TILE, inputs);
      for (let o = top; o < bottom; o++) {
        const stepsPerUnit = inverse[o] as number;
        for (let i = left, from = o * perOutput + left * perInput; i < right; i++, from += perInput) {
          // Rounds by truncating a positive number, which is several times faster than Math.round.
          steps[i * outputs + o] = (((weight[from] as number) * stepsPerUnit + ROUNDING) | 0) - LARGEST_STEP - 1;
        }
      }
    }
  }
  return { steps, scales };
}
