import { type Clip, type LoadOptions, loadModel } from './clip.ts';
import { starterValues, valuesOf } from './model/reference-values.ts';
import { cosines, row, stack } from './tensor.ts';

/** Cosines in float32 that are added in another order differ by less than this; a wrong crop or token by far more. */
const LIMIT = 1e-4;
/** The limit for weights of lower precision: PyTorch computed with other weights. */
const ROUGH_LIMIT = 0.05;

/** A comparison of a model with PyTorch. */
export interface ReferenceCheck {
  readonly model: string;
  /** Pictures times texts. */
  readonly compared: number;
  /** Absent if no values are recorded for the model; `good` then means that it ran. */
  readonly source?: string;
  /** The greatest difference of a cosine. */
  readonly worst?: number;
  readonly limit?: number;
  readonly good: boolean;
  /** [pictures, texts], as this package computes them */
  readonly cosines: readonly (readonly number[])[];
}

/**
 * Runs the pictures and texts of the package through a model, and compares the cosines with those that PyTorch computed. They are
 * recorded in the package for the starter, and in `reference.json` of the folder for other models.
 *
 * @throws ModelError if the model does not run, or the recorded values are not readable
 */
export async function checkReference(nameOrFolder: string, options: LoadOptions = {}): Promise<ReferenceCheck> {
  const clip = await loadModel(nameOrFolder, { ...options, cache: false });
  try {
    const own = await valuesOf(clip.name, clip.folder);
    const { pictures, texts, source, cosines: expected, logitScale } = own ?? (await starterValues());
    const computed = await cosinesOf(clip, pictures, texts);
    const shared = { model: clip.name, compared: pictures.length * texts.length, cosines: computed };
    if (own === undefined) return { ...shared, good: true };
    const limit = clip.dtype === 'fp32' ? LIMIT : ROUGH_LIMIT;
    const worst = Math.max(
      ...computed.flatMap((ours, n) => ours.map((cosine, t) => distance(cosine, expected[n]?.[t]))),
    );
    const good = worst <= limit && Math.abs(clip.logitScale / logitScale - 1) <= limit;
    return { ...shared, source, worst, limit, good };
  } finally {
    await clip.release();
  }
}

async function cosinesOf(clip: Clip, pictures: readonly string[], texts: readonly string[]): Promise<number[][]> {
  const images = [];
  for await (const result of clip.encodeImages(pictures)) {
    if (!result.ok) throw result.error;
    images.push(result.embedding);
  }
  const all = cosines(stack(images), await clip.encodeTexts(texts));
  return pictures.map((_, n) => [...row(all, n)]);
}

function distance(a: number, b: number | undefined): number {
  return b === undefined || Number.isNaN(a) ? Number.POSITIVE_INFINITY : Math.abs(a - b);
}
