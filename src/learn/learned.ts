import type { Clip } from '../clip.ts';
import { ModelError } from '../errors.ts';
import type { Label } from '../text/labels.ts';
import { discriminant, dot, type Prior } from './discriminant.ts';
import type { ClassStatistics } from './statistics.ts';
import type { Weights } from './weights.ts';

/** A class that was learnt. */
export interface LearnedLabel extends Label {
  /** How many pictures of it were learnt. */
  readonly pictures: number;
  /** Whether its word helps. If not, the class is known from pictures alone. */
  readonly words: boolean;
}

/** How right a classifier is on pictures that it has not seen. */
export interface Figures {
  /** Share of the pictures with the right label first. */
  readonly accuracy: number;
  /** Expected calibration error, 15 bins. */
  readonly ece: number;
}

/** What leave-one-out says. */
export interface LeaveOneOut {
  /** Pictures that were left out, each once. */
  readonly pictures: number;
  readonly zeroShot: Figures;
  readonly learned: Figures;
}

/** A classifier of labels that were learnt from pictures. Kept in a `.clf.json` file. */
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

/** @throws ModelError if embeddings of another model were learnt */
export async function requireModel(
  { model }: Pick<Learned, 'model'>,
  clip: Pick<Clip, 'name' | 'digest'>,
): Promise<void> {
  const digest = await clip.digest();
  if (digest === model.digest) return;
  throw new ModelError(
    `the classifier was learnt with model ${model.name} (digest ${model.digest.slice(0, 12)}…), not with ${clip.name} (digest ${digest.slice(0, 12)}…)`,
    `add --model ${model.name}, or learn it again with this model`,
  );
}

/** What the pictures of each class say of an image, compared with a class without pictures such as the background. */
export interface PictureEvidence {
  /** How much the zero-shot logits count. */
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
