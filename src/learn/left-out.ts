import { type Evaluation, evaluate } from '../evaluate.ts';
import { softmax, topK } from '../tensor.ts';
import type { Figures, LearnedLabel } from './learned.ts';
import { type Evidence, logitsOf, logLoss, type Weights } from './weights.ts';

/** A class whose pictures mostly get another label. */
export interface Swallowed {
  readonly label: string;
  readonly by: string;
  readonly pictures: number;
  readonly of: number;
}

export interface LeftOut {
  readonly pictures: number;
  readonly zeroShot: Figures;
  readonly learned: Figures;
  /** Whether the learned classifier has a higher accuracy, or the same accuracy and a lower log loss. */
  readonly helps: boolean;
  readonly swallowed: readonly Swallowed[];
}

/** Words only, with the model's own scale. */
const ZERO_SHOT: Weights = { words: 1, pictures: 0 };

/**
 * Compares the scores of left-out pictures with their true labels.
 *
 * @param tested the pictures of `evidence` that were scored by a discriminant without them
 * @returns null if there is no such picture
 */
export async function judgeLeftOut(
  evidence: Evidence,
  tested: readonly number[],
  weights: Weights,
  labels: readonly LearnedLabel[],
): Promise<LeftOut | null> {
  if (tested.length === 0) return null;
  const names = labels.map(({ label }) => label);
  const [before, after] = [
    await evaluation(evidence, tested, ZERO_SHOT, names),
    await evaluation(evidence, tested, weights, names),
  ];
  const gain = (after.top1 ?? 0) - (before.top1 ?? 0);
  const surer = meanLoss(evidence, tested, weights) < meanLoss(evidence, tested, ZERO_SHOT);
  return {
    pictures: tested.length,
    zeroShot: figures(before),
    learned: figures(after),
    helps: gain > 0 || (gain === 0 && surer),
    swallowed: swallowedClasses(after),
  };
}

async function evaluation(
  evidence: Evidence,
  tested: readonly number[],
  weights: Weights,
  names: readonly string[],
): Promise<Evaluation> {
  async function* judged() {
    for (const n of tested) {
      const scores = softmax(logitsOf(evidence, n, weights) ?? []);
      const labels = topK(scores, 5).map(({ index, score }) => ({ label: names[index] as string, score }));
      const truth = names[evidence.classes[n] as number] as string;
      yield { result: { ok: true, image: '', label: labels[0]?.label ?? null, labels } as const, truth };
    }
  }
  return evaluate(judged(), names);
}

function figures({ top1, ece }: Evaluation): Figures {
  return { accuracy: top1 ?? 0, ece: ece ?? 0 };
}

function meanLoss(evidence: Evidence, tested: readonly number[], weights: Weights): number {
  const losses = tested.map((n) => logLoss(logitsOf(evidence, n, weights) ?? [], evidence.classes[n] as number));
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

/** Classes with at least three pictures, of which more than half get the same other label. */
function swallowedClasses({ confusion, classes }: Evaluation): Swallowed[] {
  const images = new Map(classes.map(({ label, images }) => [label, images]));
  return confusion.flatMap(({ truth, predicted, images: taken }) => {
    const of = images.get(truth) ?? 0;
    const isSwallowed = predicted !== null && predicted !== truth && of >= 3 && taken > of / 2;
    return isSwallowed ? [{ label: truth, by: predicted, pictures: taken, of }] : [];
  });
}
