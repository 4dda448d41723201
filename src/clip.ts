import { availableParallelism } from 'node:os';
import { ModelError } from './errors.ts';
import type { Preprocessing } from './image/preprocess.ts';
import { parsePreprocessing } from './model/card.ts';
import { readModelFolder } from './model/folder.ts';
import { openOnProvider, type Provider, type ProviderChoice } from './model/provider.ts';
import { openSession, type Session } from './model/session.ts';
import { type Env, findModel, readImport } from './model/store.ts';
import { type Architecture, inferArchitecture } from './onnx/architecture.ts';
import type { Checkpoint } from './onnx/safetensors.ts';
import { buildGraphs, type Graphs } from './onnx/towers.ts';
import { l2Normalize, type Matrix, type UnitRows } from './tensor.ts';
import { loadTokenizer, type Tokenizer } from './text/tokenizer.ts';

export interface LoadOptions {
  /** Threads of one inference. @default all cores that this process may use */
  readonly threads?: number;
  /** What inference runs on; `auto` takes the best that really runs. @default 'auto' */
  readonly provider?: ProviderChoice;
  /** Which of several GPUs. @default 0 */
  readonly device?: number;
  /** Where the cache folder is looked up. @default the environment of the process */
  readonly env?: Env;
}

/** A CLIP, described: everything but its running graphs. */
export interface ModelDescription {
  readonly name: string;
  readonly folder: string;
  readonly checkpoint: Checkpoint;
  readonly architecture: Architecture;
  readonly preprocessing: Preprocessing;
  /** What cosines are multiplied by: exp of the learned temperature. */
  readonly logitScale: number;
  /** What is added then, before the sigmoid of a SigLIP; a CLIP has none, and a softmax. */
  readonly logitBias?: number;
  /** Both graphs: of a name that was imported, those that the import wrote. */
  graphs(): Promise<Graphs>;
  tokenizer(): Promise<Tokenizer>;
}

/** A CLIP, ready to run. */
export interface Clip extends ModelDescription {
  /** What it really runs on. */
  readonly provider: Provider;
  readonly dtype: 'fp32';
  /**
   * @param images N images, each normalised pixels [3, S, S]
   * @param batch the most images of a call; where N is less, a GPU is given as many all the same
   * @returns [N, D]
   */
  encodeImages(images: readonly Float32Array[], batch?: number): Promise<UnitRows>;
  /**
   * The text graph is opened for the call and closed after it: labels are encoded once, images go on.
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
 * Reads what a model is, without opening it.
 *
 * @param nameOrFolder 'starter', the name of an imported model, or a folder with model.safetensors and its configs
 * @throws ModelError naming what is missing, damaged or contradictory
 */
export async function describeModel(nameOrFolder: string, env?: Env): Promise<ModelDescription> {
  const { name, folder, imported } = await findModel(nameOrFolder, env);
  const { checkpoint, config, preprocessor } = await readModelFolder(folder);
  const architecture = inferArchitecture(checkpoint, config);
  let tokenizer: Promise<Tokenizer> | undefined;
  return {
    name,
    folder,
    checkpoint,
    architecture,
    preprocessing: parsePreprocessing(preprocessor, architecture.image.imageSize, folder),
    ...(await readScoring(checkpoint, architecture)),
    graphs: async () =>
      imported === undefined ? buildGraphs(checkpoint, architecture) : readImport(name, imported, checkpoint),
    tokenizer: () => (tokenizer ??= loadTokenizer(folder, architecture.text)),
  };
}

/** The trained scale and bias of the scores; `logit_scale_init_value` of a config is where training began. */
async function readScoring(
  checkpoint: Checkpoint,
  { family }: Architecture,
): Promise<{ logitScale: number; logitBias?: number }> {
  const logitScale = Math.exp(await checkpoint.scalar('logit_scale'));
  const logitBias = family === 'siglip' ? await checkpoint.scalar('logit_bias') : 0;
  if (!(Number.isFinite(logitScale) && Number.isFinite(logitBias))) {
    throw new ModelError(
      `logit_scale in ${checkpoint.file} is not a finite number`,
      'fetch or export the checkpoint again',
    );
  }
  return family === 'siglip' ? { logitScale, logitBias } : { logitScale };
}

/**
 * Loads a model: finds it, reads its checkpoint and opens its image graph.
 *
 * @throws ModelError as {@link describeModel}, or if onnxruntime cannot run it
 * @throws ProviderError if the provider that was asked for cannot run here
 */
export async function loadModel(nameOrFolder: string, options: LoadOptions = {}): Promise<Clip> {
  const { threads = availableParallelism(), provider: choice = 'auto', device = 0, env } = options;
  const description = await describeModel(nameOrFolder, env);
  const { checkpoint, architecture } = description;
  const graphs = await description.graphs();
  const open = (graph: Uint8Array, provider: Provider) =>
    openSession(graph, checkpoint.folder, { threads, provider, device });
  const { opened: images, provider } = await openOnProvider(choice, (one) => open(graphs.image, one));
  return {
    ...description,
    provider,
    dtype: 'fp32',
    encodeImages: async (pixels, batch = pixels.length) => {
      // A GPU tunes itself anew for each shape: there the last batch is filled up.
      const rows = provider === 'cpu' ? pixels.length : Math.max(batch, pixels.length);
      return l2Normalize(await runImages(images, pixels, rows, architecture.image.imageSize));
    },
    encodeTexts: async (prompts) => {
      const session = await open(graphs.text, provider);
      try {
        return l2Normalize(await runTexts(session, prompts, architecture.embedding));
      } finally {
        await session.release();
      }
    },
    release: () => images.release(),
  };
}

/** Runs a batch of at least `rows`, the missing images being zeros, whose embeddings are left out. */
async function runImages(
  session: Session,
  images: readonly Float32Array[],
  rows: number,
  size: number,
): Promise<Matrix> {
  const pixels = new Float32Array(rows * 3 * size * size);
  for (const [n, image] of images.entries()) pixels.set(image, n * image.length);
  const { columns, data } = await session.run(pixels, [rows, 3, size, size]);
  return { rows: images.length, columns, data: data.subarray(0, images.length * columns) };
}

/** Runs prompts from the shortest to the longest, and puts their embeddings back in the order given. */
async function runTexts(session: Session, prompts: readonly (readonly number[])[], columns: number): Promise<Matrix> {
  const data = new Float32Array(prompts.length * columns);
  const order = [...prompts.keys()].sort((a, b) => (prompts[a] as number[]).length - (prompts[b] as number[]).length);
  for (let start = 0; start < order.length; start += TEXT_BATCH) {
    const batch = order.slice(start, start + TEXT_BATCH);
    const longest = (prompts[batch.at(-1) as number] as number[]).length;
    const ids = new BigInt64Array(batch.length * longest); // zeros after the end of text: the tower is causal
    for (const [n, prompt] of batch.entries()) ids.set((prompts[prompt] as number[]).map(BigInt), n * longest);
    const embeddings = await session.run(ids, [batch.length, longest]);
    for (const [n, prompt] of batch.entries())
      data.set(embeddings.data.subarray(n * columns, (n + 1) * columns), prompt * columns);
  }
  return { rows: prompts.length, columns, data };
}
