import { ModelError } from './errors.ts';

/** `rows × columns` numbers, row after row. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array;
}

declare const unit: unique symbol;

/**
 * A matrix whose rows have length 1, so that a dot product is a cosine. {@link l2Normalize} makes one from any matrix;
 * {@link unitRows} checks a matrix that was read from a file.
 */
export interface UnitRows extends Matrix {
  readonly [unit]: true;
}

/** One label's score for one image. */
export interface RankedIndex {
  readonly index: number;
  readonly score: number;
}

export function row(matrix: Matrix, n: number): Float32Array {
  return matrix.data.subarray(n * matrix.columns, (n + 1) * matrix.columns);
}

/** Row n as a matrix with one row: [1, D] */
export function rowOf(rows: UnitRows, n: number): UnitRows {
  return { rows: 1, columns: rows.columns, data: row(rows, n).slice() } as UnitRows;
}

/** The rows from `start` up to `end`, `end` excluded: [end - start, D] */
export function rowsOf(rows: UnitRows, start: number, end = rows.rows): UnitRows {
  const data = rows.data.subarray(start * rows.columns, end * rows.columns);
  return { rows: end - start, columns: rows.columns, data } as UnitRows;
}

/** Sum of products in double precision. The result does not depend on batch size or order of images. */
export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

/**
 * Divides every row by its length.
 *
 * @param embeddings [N, D], the output of an encoder
 * @returns [N, D], each row of length 1
 * @throws ModelError if a row has no direction (all zero, infinite or not a number)
 */
export function l2Normalize(embeddings: Matrix): UnitRows {
  const data = new Float32Array(embeddings.data.length);
  for (let n = 0; n < embeddings.rows; n++) {
    const source = row(embeddings, n);
    const length = Math.sqrt(dot(source, source));
    if (!(length > 0 && Number.isFinite(length))) {
      throw new ModelError(
        `the model returned an embedding of length ${length}`,
        'the weights are damaged or do not match the graph; download or export the model again',
      );
    }
    for (let d = 0; d < embeddings.columns; d++) data[n * embeddings.columns + d] = (source[d] as number) / length;
  }
  return { rows: embeddings.rows, columns: embeddings.columns, data } as UnitRows;
}

/** The length of a unit row in float32 is 1 within a millionth; in decimals of six digits, within a thousandth. */
const UNIT_TOLERANCE = 1e-3;

/** Unit rows that were read from a file; undefined if the length of a row is not 1, or not finite. */
export function unitRows(matrix: Matrix): UnitRows | undefined {
  for (let n = 0; n < matrix.rows; n++) {
    const one = row(matrix, n);
    if (!(Math.abs(dot(one, one) - 1) < UNIT_TOLERANCE)) return undefined;
  }
  return matrix as UnitRows;
}

/** Matrices with the same number of columns, one below the other. @param parts at least one */
export function stack<T extends Matrix>(parts: readonly T[]): T {
  const columns = parts[0]?.columns ?? 0;
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const data = new Float32Array(rows * columns);
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return { rows, columns, data } as Matrix as T;
}

/**
 * The prompt ensemble of CLIP: the mean of the unit prompt embeddings of a label, normalized again
 * (Radford et al. 2021, section 3.1.4).
 *
 * @param prompts [P, D], the prompts of the first label, then those of the second, and so on
 * @param sizes the number of prompts of each label: L numbers with the sum P
 * @returns [L, D]
 */
export function meanOfGroups(prompts: UnitRows, sizes: readonly number[]): UnitRows {
  const { columns } = prompts;
  if (sizes.every((size) => size === 1)) return prompts;
  const data = new Float32Array(sizes.length * columns);
  let n = 0;
  for (const [label, size] of sizes.entries()) {
    for (const end = n + size; n < end; n++) {
      const source = row(prompts, n);
      for (let d = 0; d < columns; d++)
        data[label * columns + d] = (data[label * columns + d] as number) + (source[d] as number) / size;
    }
  }
  return l2Normalize({ rows: sizes.length, columns, data });
}

/**
 * The cosine of every image with every label: `images · labelsᵀ` (Radford et al. 2021, fig. 3).
 *
 * @param images [N, D]
 * @param labels [L, D]
 * @returns [N, L], each in [-1, 1]
 * @throws ModelError if the dimensions differ
 */
export function cosines(images: UnitRows, labels: UnitRows): Matrix {
  if (images.columns !== labels.columns) {
    throw new ModelError(
      `image embeddings have ${images.columns} dimensions, label embeddings ${labels.columns}`,
      'one encoder was exported without its projection, or they come from different models; export both again',
    );
  }
  const data = new Float32Array(images.rows * labels.rows);
  for (let n = 0; n < images.rows; n++) {
    for (let l = 0; l < labels.rows; l++) data[n * labels.rows + l] = dot(row(images, n), row(labels, l));
  }
  return { rows: images.rows, columns: labels.rows, data };
}

/** Probabilities from logits. The greatest logit is subtracted first, so that `exp` cannot overflow. */
export function softmax(logits: ArrayLike<number>): Float64Array {
  let greatest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) greatest = Math.max(greatest, logits[i] as number);
  const result = new Float64Array(logits.length);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    result[i] = Math.exp((logits[i] as number) - greatest);
    sum += result[i] as number;
  }
  return result.map((value) => value / sum);
}

/** An independent probability for each label, as SigLIP is trained. They do not add up to 1. */
export function sigmoid(logits: ArrayLike<number>): Float64Array {
  return Float64Array.from(logits, (logit) => 1 / (1 + Math.exp(-logit)));
}

/** Up to this k, one pass finds the best scores. For a greater k, all scores are sorted. */
const PICKED = 64;

/** The k greatest scores, greatest first. With equal scores, the earlier label comes first. */
export function topK(scores: ArrayLike<number>, k: number): RankedIndex[] {
  if (k > PICKED) {
    return Array.from(scores, (score, index) => ({ index, score }))
      .sort((a, b) => b.score - a.score || a.index - b.index)
      .slice(0, k);
  }
  const best: RankedIndex[] = [];
  for (let index = 0; index < scores.length; index++) {
    const score = scores[index] as number;
    if (best.length === k && score <= (best[k - 1] as RankedIndex).score) continue;
    const after = best.findIndex((other) => other.score < score);
    best.splice(after < 0 ? best.length : after, 0, { index, score });
    if (best.length > k) best.pop();
  }
  return best;
}
