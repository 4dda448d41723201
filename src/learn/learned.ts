import type { Clip } from '../clip.ts';
import { ModelError } from '../errors.ts';
import type { Label } from '../text/labels.ts';
import { discriminant, dot, type Prior } from './discriminant.ts';
import type { ClassStatistics } from './statistics.ts';
import type { Weights } from './weights.ts';

/** A learned class. */
export interface LearnedLabel extends Label {
  /** The number of its learned pictures. */
  readonly pictures: number;
  /** Whether its word helps. If not, only its pictures are used. */
  readonly words: boolean;
}

/** The quality of a classifier on pictures that it has not seen. */
export interface Figures {
  /** Share of the pictures whose best label is right. */
  readonly accuracy: number;
  /** Expected calibration error, 15 bins. */
  readonly ece: number;
}

/** The leave-one-out figures. */
export interface LeaveOneOut {
  /** Pictures that were left out, each once. */
  readonly pictures: number;
  readonly zeroShot: Figures;
  readonly learned: Figures;
}

/** A classifier that was learned from pictures. It is stored in a `.clf.json` file. */
export interface Learned {
  readonly model: { readonly name: string; readonly digest: string };
  readonly labels: readonly LearnedLabel[];
  readonly templates: readonly string[];
  readonly statistics: ClassStatistics;
  readonly prior: Prior;
  readonly weights: Weights;
  /** Null if no class has two pictures. */
  readonly leaveOneOut: LeaveOneOut | null;
}

export function isLearned(labels: readonly (string | Label)[] | Learned): labels is Learned {
  return 'statistics' in labels;
}

/** @throws ModelError if it was learned with another model */
export async function requireModel(
  { model }: Pick<Learned, 'model'>,
  clip: Pick<Clip, 'name' | 'digest'>,
): Promise<void> {
  const digest = await clip.digest();
  if (digest === model.digest) return;
  throw new ModelError(
    `the classifier was learned with model ${model.name} (digest ${model.digest.slice(0, 12)}…), not with ${clip.name} (digest ${digest.slice(0, 12)}…)`,
    `add --model ${model.name}, or learn it again with this model`,
  );
}

/** The logits of an image from the learned pictures, relative to a class without pictures such as the background. */
export interface PictureEvidence {
  /** The weight of the zero-shot logits. */
  readonly words: number;
  /** @param image [D]; @returns [L] logits */
  logits(image: Float32Array): Float64Array;
}

/** {@link PictureEvidence} as one plane for each class: `logits = planes · image + offsets`. */
export interface PicturePlanes extends PictureEvidence {
  /** [C, D] */
  readonly planes: Float64Array;
  /** [C] */
  readonly offsets: Float64Array;
}

export function pictureEvidence({ statistics, prior, weights }: Learned): PicturePlanes {
  const { weights: directions, biases, unseen } = discriminant(statistics, prior);
  const { width } = statistics;
  const planes = directions.map((value, at) => (value - (unseen.weights[at % width] as number)) * weights.pictures);
  const offsets = biases.map((bias) => (bias - unseen.bias) * weights.pictures);
  return {
    words: weights.words,
    planes,
    offsets,
    logits: (image) => offsets.map((offset, c) => offset + dot(planes.subarray(c * width, (c + 1) * width), image)),
  };
}
