import { row, type UnitRows } from '../tensor.ts';
import { cholesky, solveLower, solveUpper } from './cholesky.ts';
import { multiply } from './products.ts';
import type { ClassStatistics } from './statistics.ts';

/**
 * The prior: assumptions about pictures before any is learned. It stays fixed while pictures are left out, so that
 * {@link leaveOneOut} is exact.
 */
export interface Prior {
  /** Added to the diagonal of the scatter. It stands for `freedom` imagined pictures with the same spread in all directions. */
  readonly ridge: number;
  /** The number of pictures that the ridge stands for. */
  readonly freedom: number;
  /**
   * The mean of n pictures is moved to the mean of all classes by the share `shrinkage / (n + shrinkage)`. The shrinkage is the variance of
   * a picture within its class, divided by the variance of the class means (empirical Bayes, Efron and Morris 1973).
   */
  readonly shrinkage: number;
}

/** The assumed share of the variance within the classes, and the number of pictures that this assumption counts for. */
const [WITHIN_SHARE, WITHIN_PICTURES] = [0.65, 10];
/** The minimum share of the variance between the class means. */
const LEAST_BETWEEN = 0.1;

/**
 * Estimates the prior from pictures: their variance, split into the part within the classes and the part between them.
 */
export function priorOf(statistics: ClassStatistics): Prior {
  const { width, means, scatter, counts } = statistics;
  const seen = counts.filter((count) => count > 0).length;
  let within = 0;
  for (let d = 0; d < width; d++) within += scatter[d * width + d] as number;
  const centre = centreOf(means, counts, width);
  let between = 0;
  for (const [c, count] of counts.entries())
    for (let d = 0; count > 0 && d < width; d++)
      between += ((means[c * width + d] as number) - (centre[d] as number)) ** 2 / seen;
  const freedom = Math.max(0, sum(counts) - seen);
  // The variance of a picture around the mean of all classes. Each class has the same weight.
  const total = between + within / Math.max(1, sum(counts));
  const inside = (within + WITHIN_PICTURES * WITHIN_SHARE * total) / (freedom + WITHIN_PICTURES);
  const apart = Math.max(total - inside, LEAST_BETWEEN * total);
  return {
    ridge: Math.max(inside, Number.EPSILON),
    freedom: width,
    shrinkage: inside / Math.max(apart, Number.EPSILON),
  };
}

/**
 * A Gaussian discriminant with one covariance for all classes: the logarithm of each class's density at a picture, up to a
 * number that all classes share. `x·w + b` with `w = P·m`, `b = −½ m·P·m` and `P = (freedom') · (S + ridge·I)⁻¹`. With
 * `shrinkage` 0 this is scikit-learn's `LinearDiscriminantAnalysis(solver='lsqr', shrinkage=γ)` without priors, up to a
 * factor, for `γ/(1 − γ) = ridge·D / trace S`.
 */
export interface Discriminant {
  /** [C, D] */
  readonly weights: Float64Array;
  /** [C] */
  readonly biases: Float64Array;
  /** [D] and the bias of a class without pictures: the mean of all classes. */
  readonly unseen: { readonly weights: Float64Array; readonly bias: number };
}

export function discriminant(statistics: ClassStatistics, prior: Prior): Discriminant {
  const { width, counts, means } = statistics;
  const lower = factor(statistics, prior);
  const precision = precisionOf(counts, prior);
  const centre = centreOf(means, counts, width);
  const shrunk = shrunkMeans(means, counts, centre, prior.shrinkage);
  const plane = (mean: Float64Array) => {
    const white = solveLower(lower, mean);
    return {
      weights: solveUpper(lower, white).map((value) => value * precision),
      bias: -0.5 * precision * dot(white, white),
    };
  };
  const weights = new Float64Array(counts.length * width);
  const biases = new Float64Array(counts.length);
  for (const c of counts.keys()) {
    const one = plane(shrunk.subarray(c * width, (c + 1) * width));
    weights.set(one.weights, c * width);
    biases[c] = one.bias;
  }
  return { weights, biases, unseen: plane(centre) };
}

/**
 * For each picture the scores of a discriminant that has not seen it, exactly and without learning N times: the scatter without a
 * picture is a rank-one update away (Sherman and Morrison 1950). All vectors are whitened by the Cholesky factor first, so
 * that products with the inverse are plain dot products.
 *
 * @param pictures [N, D], each of a class with at least two pictures
 * @param classes [N]
 * @returns [N, C]
 */
export function leaveOneOut(
  statistics: ClassStatistics,
  prior: Prior,
  pictures: UnitRows,
  classes: readonly number[],
): Float64Array {
  const { width, counts, means } = statistics;
  const classCount = counts.length;
  const lower = factor(statistics, prior);
  const precision = precisionOf(counts, prior) - 1;
  const white = new Float64Array(means.length);
  for (const c of counts.keys()) white.set(solveLower(lower, means.subarray(c * width, (c + 1) * width)), c * width);
  const seen = counts.flatMap((count, c) => (count > 0 ? [c] : []));
  // Everything below is a sum of picture, class means and their centre, so these dot products are enough.
  const classOf = (c: number) => white.subarray(c * width, (c + 1) * width);
  const gram = new Float64Array(classCount ** 2);
  for (const a of counts.keys())
    for (let b = 0; b <= a; b++) gram[a * classCount + b] = gram[b * classCount + a] = dot(classOf(a), classOf(b));
  const average = (values: Float64Array) => seen.reduce((sum, c) => sum + (values[c] as number), 0) / seen.length;
  const rowOf = (c: number) => gram.subarray(c * classCount, (c + 1) * classCount);
  const withCentre = Float64Array.from(counts, (_, c) => average(rowOf(c)));
  const centreSquare = average(withCentre);

  const scores = new Float64Array(pictures.rows * classCount);
  const products = new Float64Array(classCount);
  for (const [n, own] of classes.entries()) {
    const picture = solveLower(lower, row(pictures, n));
    multiply(white, picture, products);
    const count = counts[own] as number;
    const gramOwn = rowOf(own);
    // apart = picture − own mean; without the picture, the own mean moves by −apart / (count − 1) and the centre by a share of it.
    const square = dot(picture, picture);
    const ownPicture = products[own] as number;
    const apartPicture = square - ownPicture;
    const apartSquare = square - 2 * ownPicture + (gramOwn[own] as number);
    const [move, moveCentre] = [1 / (count - 1), 1 / ((count - 1) * seen.length)];
    const k = count / (count - 1);
    const update = k / (1 - k * apartSquare);
    const averageProduct = average(products);
    const apartCentre = averageProduct - (withCentre[own] as number);
    const centre = {
      picture: averageProduct - moveCentre * apartPicture,
      apart: apartCentre - moveCentre * apartSquare,
      square: centreSquare - 2 * moveCentre * apartCentre + moveCentre ** 2 * apartSquare,
    };
    for (let c = 0; c < classCount; c++) {
      const isOwn = c === own;
      const moved = isOwn ? move : 0;
      const apartClass = (products[c] as number) - (gramOwn[c] as number);
      const mean = {
        picture: (products[c] as number) - moved * apartPicture,
        apart: apartClass - moved * apartSquare,
        square: (gram[c * classCount + c] as number) - 2 * moved * apartClass + moved ** 2 * apartSquare,
        // The centre has moved, too.
        centre: (withCentre[c] as number) - moveCentre * apartClass - moved * (apartCentre - moveCentre * apartSquare),
      };
      const share = shareOf((counts[c] as number) - (isOwn ? 1 : 0), prior);
      const rest = 1 - share;
      const across = rest * centre.apart + share * mean.apart;
      const product = rest * centre.picture + share * mean.picture + update * across * apartPicture;
      const length = rest ** 2 * centre.square + 2 * rest * share * mean.centre + share ** 2 * mean.square;
      scores[n * classCount + c] = precision * (product - 0.5 * (length + update * across ** 2));
    }
  }
  return scores;
}

function factor({ scatter, width }: ClassStatistics, { ridge }: Prior): Float64Array {
  const matrix = scatter.slice();
  for (let d = 0; d < width; d++) matrix[d * width + d] = (matrix[d * width + d] as number) + ridge;
  return cholesky(matrix, width);
}

/** The factor that makes `(S + ridge·I)⁻¹` the inverse of a covariance: the seen and imagined pictures, less one for each mean. */
function precisionOf(counts: readonly number[], { freedom }: Prior): number {
  return sum(counts) - counts.filter((count) => count > 0).length + freedom;
}

/** The mean of the class means. Each class with pictures has the same weight. */
function centreOf(means: Float64Array, counts: readonly number[], width: number): Float64Array {
  const centre = new Float64Array(width);
  const seen = counts.filter((count) => count > 0).length;
  for (const [c, count] of counts.entries())
    for (let d = 0; count > 0 && d < width; d++)
      centre[d] = (centre[d] as number) + (means[c * width + d] as number) / seen;
  return centre;
}

function shrunkMeans(
  means: Float64Array,
  counts: readonly number[],
  centre: Float64Array,
  shrinkage: number,
): Float64Array {
  const width = centre.length;
  const shrunk = new Float64Array(means.length);
  for (const [c, count] of counts.entries()) {
    const place = shrunk.subarray(c * width, (c + 1) * width);
    shrinkInto(place, means.subarray(c * width, (c + 1) * width), count, centre, { shrinkage });
  }
  return shrunk;
}

/** The weight of a class mean against the mean of all classes. */
function shareOf(count: number, { shrinkage }: Pick<Prior, 'shrinkage'>): number {
  return count === 0 ? 0 : count / (count + shrinkage);
}

function shrinkInto(
  place: Float64Array,
  mean: Float64Array,
  count: number,
  centre: Float64Array,
  { shrinkage }: Pick<Prior, 'shrinkage'>,
): void {
  const share = shareOf(count, { shrinkage });
  for (let d = 0; d < place.length; d++)
    place[d] = (centre[d] as number) + share * ((mean[d] as number) - (centre[d] as number));
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let total = 0;
  for (let d = 0; d < a.length; d++) total += (a[d] as number) * (b[d] as number);
  return total;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
