import { availableParallelism } from 'node:os';
import { ModelError, UsageError } from './errors.ts';
import { fitImage, normalize } from './image/preprocess.ts';
import type { RgbImage } from './image/resample.ts';
import {
  type DescribeOptions,
  describeModel,
  type ModelDescription,
  type Scoring,
  type Towers,
} from './model/description.ts';
import { blankImage, encodeImages, encodeTexts, type Pixels, textFeeds } from './model/encoder.ts';
import { openOnProvider, type Provider, type ProviderChoice } from './model/provider.ts';
import type { Dtype } from './model/ready-made.ts';
import { openSession, type Session } from './model/session.ts';
import { cosines, l2Normalize, type UnitRows } from './tensor.ts';

export interface LoadOptions extends DescribeOptions {
  /** Threads of one inference. @default all cores that this process may use */
  readonly threads?: number;
  /** What inference runs on; `auto` takes the best that really runs. @default 'auto' */
  readonly provider?: ProviderChoice;
  /** Which of several GPUs. @default 0 */
  readonly device?: number;
  /** For ready-made graphs that do not hold it. @default that of the model */
  readonly logitScale?: number;
  /** The same for the bias of a SigLIP. */
  readonly logitBias?: number;
}

/** A CLIP, ready to run. */
export interface Clip extends Omit<ModelDescription, 'scoring' | 'towers'>, Scoring {
  /** What it really runs on. */
  readonly provider: Provider;
  readonly dtype: Dtype;
  /** Resizes, crops and normalises, as the image graph wants its pixels. */
  prepare(image: RgbImage): Pixels;
  /**
   * @param images N images, as {@link prepare} makes them
   * @param batch the most images of a call; where N is less, a GPU is given as many all the same
   * @returns [N, D]
   */
  encodeImages(images: readonly Pixels[], batch?: number): Promise<UnitRows>;
  /**
   * A text graph of its own is opened for the call and closed after it: labels are encoded once, images go on.
   *
   * @param prompts P prompts as token ids, each at most the context long; @returns [P, D]
   */
  encodeTexts(prompts: readonly (readonly number[])[]): Promise<UnitRows>;
  /** Frees the graphs; afterwards nothing can be encoded. */
  release(): Promise<void>;
}

/** Prompts of one text batch; prompts of like length go together, so that little padding is computed. */
const TEXT_BATCH = 32;

/**
 * Loads a model: finds it, reads what it is and opens its image graph.
 *
 * @throws ModelError as {@link describeModel}, or if onnxruntime cannot run it, or if its logit scale is not known
 * @throws ProviderError if the provider that was asked for cannot run here
 */
export async function loadModel(nameOrFolder: string, options: LoadOptions = {}): Promise<Clip> {
  const { threads = availableParallelism(), provider: choice = 'auto', device = 0, dtype = 'fp32' } = options;
  if (!(Number.isInteger(threads) && threads >= 1))
    throw new UsageError(`threads is ${threads}`, 'a whole number from 1 is needed');
  const description = await describeModel(nameOrFolder, options);
  const { preprocessing } = description;
  const towers = await description.towers();
  const { image, text } = towers;
  const { opened: images, provider } = await openOnProvider(choice, (one) =>
    openSession(image.graph, { threads, provider: one, device }),
  );
  return {
    ...description,
    ...(await chooseScoring(description, towers, images, options)),
    provider,
    dtype,
    prepare: (rgb) => {
      const crop = fitImage(rgb, preprocessing);
      return image.wiring.image.pixels === 'bytes' ? Uint8Array.from(crop.data) : normalize(crop, preprocessing);
    },
    encodeImages: async (pixels, batch = pixels.length) => {
      // A GPU tunes itself anew for each shape: there the last batch is filled up.
      const rows = provider === 'cpu' ? pixels.length : Math.max(batch, pixels.length);
      const length = 3 * preprocessing.size ** 2;
      if (pixels.some((one) => one.length !== length))
        throw new UsageError('an image has the wrong size', 'encode what prepare() makes');
      return l2Normalize(await encodeImages(images, image.wiring, pixels, preprocessing.size, rows));
    },
    encodeTexts: async (prompts) => {
      const joint = isJoint(towers);
      const session = joint ? images : await openSession(text.graph, { threads, provider, device });
      try {
        return l2Normalize(await encodeTexts(session, text.wiring, prompts, TEXT_BATCH, preprocessing.size));
      } finally {
        if (!joint) await session.release();
      }
    },
    release: () => images.release(),
  };
}

function isJoint({ image, text }: Towers): boolean {
  return 'path' in image.graph && 'path' in text.graph && image.graph.path === text.graph.path;
}

/** The scale that was asked for, else the checkpoint's, else what a joint graph computes with; it is never assumed. */
async function chooseScoring(
  { name, scoring, preprocessing, tokens, ...description }: ModelDescription,
  towers: Towers,
  session: Session,
  { logitScale, logitBias }: LoadOptions,
): Promise<Scoring> {
  if (scoring !== undefined && logitScale === undefined && logitBias === undefined) return scoring;
  if (scoring !== undefined) {
    throw new UsageError(
      `${name} has a logit scale of its own, ${scoring.logitScale}`,
      'leave --logit-scale and --logit-bias out',
    );
  }
  if (tokens.pooling.at === 'last token') {
    if (logitScale !== undefined && logitBias !== undefined) return { logitScale, logitBias };
    throw new ModelError(
      `the logit scale and bias of ${name} are not known: its graphs do not hold them`,
      'say both with --logit-scale and --logit-bias, as the model was trained with them',
    );
  }
  if (logitScale !== undefined) return { logitScale };
  if (towers.logits !== undefined && isJoint(towers)) {
    const tokenizer = await description.tokenizer();
    const prompts = ['a photo', 'a dog on a street', 'blue'].map((prompt) => tokenizer.encode(prompt).ids);
    return { logitScale: await measureLogitScale(towers, towers.logits.name, session, prompts, preprocessing.size) };
  }
  throw new ModelError(
    `the logit scale of ${name} is not known: split graphs do not hold it`,
    'say it with --logit-scale (the CLIPs of OpenAI and LAION have 100)',
  );
}

/** `logit = scale · cosine`: the scale that fits best over a blank image and some prompts. */
async function measureLogitScale(
  { image, text }: Towers,
  logits: string,
  session: Session,
  prompts: readonly (readonly number[])[],
  size: number,
): Promise<number> {
  let [products, squares] = [0, 0];
  for (const prompt of prompts) {
    const feeds = { ...textFeeds(text.wiring.text, [prompt], 1), ...blankImage(image.wiring.image, size) };
    const outputs = [logits, image.wiring.image.output.name, text.wiring.text.output.name];
    const [logit, imageRow, textRow] = await session.run(feeds, outputs);
    if (!(logit && imageRow && textRow)) throw new ModelError('the joint graph put out too little', 'export it again');
    const cosine = cosines(l2Normalize(imageRow), l2Normalize(textRow)).data[0] as number;
    products += (logit.data[0] as number) * cosine;
    squares += cosine * cosine;
  }
  return products / squares;
}
