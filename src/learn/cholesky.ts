/**
 * The lower factor L of a symmetric positive definite matrix, `A = L · Lᵀ` (Golub and Van Loan, Matrix Computations, 4th ed.,
 * algorithm 4.2.1, row by row).
 *
 * @param matrix [D, D]; only its lower triangle is read
 * @returns [D, D], zero above the diagonal
 * @throws RangeError if the matrix is not positive definite
 */
export function cholesky(matrix: Float64Array, size: number): Float64Array {
  const lower = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * size + j] as number;
      for (let k = 0; k < j; k++) sum -= (lower[i * size + k] as number) * (lower[j * size + k] as number);
      if (i === j && !(sum > 0)) throw new RangeError('the matrix is not positive definite');
      lower[i * size + j] = i === j ? Math.sqrt(sum) : sum / (lower[j * size + j] as number);
    }
  }
  return lower;
}

/** `L⁻¹ · vector`, by forward substitution. */
export function solveLower(lower: Float64Array, vector: ArrayLike<number>): Float64Array {
  const size = vector.length;
  const solved = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    let sum = vector[i] as number;
    for (let k = 0; k < i; k++) sum -= (lower[i * size + k] as number) * (solved[k] as number);
    solved[i] = sum / (lower[i * size + i] as number);
  }
  return solved;
}

/** `L⁻ᵀ · vector`, by back substitution along the rows of L. */
export function solveUpper(lower: Float64Array, vector: ArrayLike<number>): Float64Array {
  const size = vector.length;
  const solved = Float64Array.from(vector);
  for (let i = size - 1; i >= 0; i--) {
    solved[i] = (solved[i] as number) / (lower[i * size + i] as number);
    for (let k = 0; k < i; k++)
      solved[k] = (solved[k] as number) - (lower[i * size + k] as number) * (solved[i] as number);
  }
  return solved;
}
