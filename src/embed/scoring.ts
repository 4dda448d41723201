import { ModelError, UsageError } from '../errors.ts';
import type { EncoderGraphs, ModelDescription, Scoring } from '../model/description.ts';
import { blankImage, textFeeds } from '../model/encoder.ts';
import { openSession } from '../model/session.ts';
import { cosines, l2Normalize } from '../tensor.ts';

/** For ONNX models that do not contain them. */
export interface ScoringOptions {
  /** @default that of the model */
  readonly logitScale?: number;
  /** @default the logit bias of the model; CLIP has none */
  readonly logitBias?: number;
}

/**
 * The scale of the model, or the given scale, or the measured scale of a joint graph. It is never assumed.
 *
 * @param measure runs {@link measureLogitScale}, in this process or in a worker process
 * @throws UsageError if the model has a scale and another is given, ModelError if there is none
 */
export async function chooseScoring(
  description: ModelDescription,
  { logitScale, logitBias }: ScoringOptions,
  measure: () => Promise<number>,
): Promise<Scoring> {
  const { name, scoring, tokens } = description;
  if (scoring !== undefined && logitScale === undefined && logitBias === undefined) return scoring;
  if (scoring !== undefined) {
    throw new UsageError(
      `${name} already contains its logit scale (${scoring.logitScale})`,
      'remove `logitScale` and `logitBias`',
    );
  }
  if (tokens.pooling.at === 'last token') {
    if (logitScale !== undefined && logitBias !== undefined) return { logitScale, logitBias };
    throw new ModelError(
      `the logit scale and bias of ${name} are unknown, because its ONNX files do not contain them`,
      'set `logitScale` and `logitBias` to the values of the trained model',
    );
  }
  if (logitScale !== undefined) return { logitScale };
  const graphs = await description.graphs();
  if (graphs.logits !== undefined && isJoint(graphs)) {
    return { logitScale: await measure() };
  }
  throw new ModelError(
    `the logit scale of ${name} is unknown, because ONNX models with one file per encoder do not contain it`,
    'set `logitScale` (100 for the CLIP models of OpenAI and LAION)',
  );
}

function isJoint({ image, text }: EncoderGraphs): boolean {
  return 'path' in image.graph && 'path' in text.graph && image.graph.path === text.graph.path;
}

/**
 * Measures the scale of a joint graph, `logit = scale · cosine`, with a blank image and some prompts (least squares).
 *
 * @throws ModelError if the graph has no logits
 */
export async function measureLogitScale(
  { preprocessing, tokenizer, graphs }: ModelDescription,
  threads: number,
): Promise<number> {
  const { image, text, logits } = await graphs();
  if (logits === undefined) throw new ModelError('the ONNX model has no logits output', 'set `logitScale`');
  const { encode } = await tokenizer();
  const session = await openSession(image.graph, { threads, provider: 'cpu', device: 0, once: true });
  let [products, squares] = [0, 0];
  try {
    for (const prompt of ['a photo', 'a dog on a street', 'blue']) {
      const ids = textFeeds(text.wiring.text, [encode(prompt).ids], 1);
      const feeds = { ...ids, ...blankImage(image.wiring.image, preprocessing.size) };
      const outputs = [logits.name, image.wiring.image.output.name, text.wiring.text.output.name];
      const [logit, imageRow, textRow] = await session.run(feeds, outputs);
      if (!(logit && imageRow && textRow))
        throw new ModelError('the ONNX model returned too few values', 'export the model again');
      const cosine = cosines(l2Normalize(imageRow), l2Normalize(textRow)).data[0] as number;
      products += (logit.data[0] as number) * cosine;
      squares += cosine * cosine;
    }
  } finally {
    await session.release();
  }
  return products / squares;
}
