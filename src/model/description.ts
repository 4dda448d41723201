import type { Architecture } from '../checkpoint/architecture.ts';
import { storageOf } from '../checkpoint/convert.ts';
import { inferArchitecture } from '../checkpoint/infer.ts';
import type { Checkpoint } from '../checkpoint/safetensors.ts';
import type { Env } from '../disk/environment.ts';
import { ModelError } from '../errors.ts';
import { findCard } from '../hub/registry.ts';
import type { Preprocessing } from '../image/preprocess.ts';
import type { Port } from '../onnx/ports.ts';
import { buildGraph, buildGraphs, builtPorts, type Graphs } from '../onnx/towers.ts';
import { loadTokenizer, type TextShape, type Tokenizer } from '../text/tokenizer.ts';
import { convertedWeights } from './converted-weights.ts';
import { type ImageWiring, type TextWiring, type Wiring, wire } from './encoder.ts';
import { checkpointFolder, nothingToRun, readModelFolder, readTokenizerConfig } from './folder.ts';
import { readImport } from './imports.ts';
import { refuseLinksOut } from './links.ts';
import { parsePreprocessing } from './preprocessing.ts';
import { type Dtype, type ReadyMade, readReadyMade } from './ready-made.ts';
import type { Graph, GraphSource } from './session.ts';
import { findModel, type ModelLocation } from './store.ts';
import { textShape } from './text-shape.ts';

/** How cosines become scores: `softmax(logitScale · cosine)`, or with a bias `sigmoid(logitScale · cosine + logitBias)`. */
export interface Scoring {
  /** exp of the learned temperature. */
  readonly logitScale: number;
  /** Of a SigLIP; a CLIP has none. */
  readonly logitBias?: number;
}

/** A graph, and how it is fed. */
export interface Tower<W> {
  readonly graph: GraphSource;
  readonly wiring: Wiring & W;
}

/** Both towers; of a joint graph they are one, and `logits` is its output `[images, texts]`. */
export interface Towers {
  readonly image: Tower<{ readonly image: ImageWiring }>;
  readonly text: Tower<{ readonly text: TextWiring }>;
  readonly logits?: Port | undefined;
}

/** What a model folder holds. */
export type Contents =
  | {
      readonly kind: 'checkpoint';
      readonly checkpoint: Checkpoint;
      readonly architecture: Architecture;
      graphs(): Promise<Graphs>;
    }
  | { readonly kind: 'onnx'; readonly readyMade: ReadyMade };

/** A model, described: everything but its running graphs. */
export interface ModelDescription {
  readonly name: string;
  readonly folder: string;
  readonly contents: Contents;
  readonly preprocessing: Preprocessing;
  readonly tokens: TextShape;
  /** As the checkpoint or, for ready-made graphs, the card has it; a joint graph says it when it runs. */
  readonly scoring: Scoring | undefined;
  towers(): Promise<Towers>;
  tokenizer(): Promise<Tokenizer>;
  /** The file that holds the image tower's weights. */
  readonly weightFile: string;
}

export interface DescribeOptions {
  /** How weights are stored: for a checkpoint they are converted, of ready-made graphs these are taken. @default 'fp32' */
  readonly dtype?: Dtype;
  /** Where the cache folder is looked up. @default the environment of the process */
  readonly env?: Env;
  /** Told where nothing can be kept; it costs time alone. */
  readonly onCacheTrouble?: (error: unknown) => void;
}

/**
 * Reads what a model is, without opening it.
 *
 * @param nameOrFolder 'starter', the name of an imported model, or a folder with a checkpoint or ONNX graphs and configs
 * @throws ModelError naming what is missing, damaged or contradictory
 */
export async function describeModel(nameOrFolder: string, options: DescribeOptions = {}): Promise<ModelDescription> {
  const location = await findModel(nameOrFolder, options.env);
  await refuseLinksOut(location.folder);
  const folder = await checkpointFolder(location.folder);
  if (folder !== undefined) return describeCheckpoint({ ...location, folder }, options);
  const readyMade = await readReadyMade(location.folder, options.dtype);
  if (readyMade === undefined) throw await nothingToRun(location.folder);
  return describeReadyMade(location, readyMade);
}

async function describeCheckpoint(
  { name, folder, imported }: ModelLocation,
  { dtype = 'fp32', env, onCacheTrouble }: DescribeOptions,
): Promise<ModelDescription> {
  const { checkpoint, config, preprocessor, library } = await readModelFolder(folder);
  const architecture = inferArchitecture(checkpoint, config);
  if (dtype === 'int8' && architecture.image.kind !== 'vit') {
    throw new ModelError(
      `${name} has no int8 form: its image encoder is made of convolutions, and only transformers are quantized`,
      'remove --dtype int8, or use fp16',
    );
  }
  const tokens = textShape({ config, library }, architecture.text, await readTokenizerConfig(folder));
  const graphs = async () =>
    (imported === undefined ? undefined : await readImport(imported, { checkpoint, architecture })) ??
    buildGraphs(checkpoint, architecture);
  const graph = async (tower: keyof Graphs): Promise<Graph> => {
    const storage = storageOf(checkpoint, tower, dtype);
    const convolutional = tower === 'image' && architecture.image.kind !== 'vit';
    if (storage === undefined) {
      return { bytes: (await graphs())[tower], weights: { folder: checkpoint.folder }, convolutional };
    }
    const converted = await convertedWeights(checkpoint, tower, storage, env, onCacheTrouble);
    return { bytes: buildGraph(converted.checkpoint, architecture, tower), weights: converted.weights, convolutional };
  };
  return {
    name,
    folder,
    contents: { kind: 'checkpoint', checkpoint, architecture, graphs },
    preprocessing: parsePreprocessing(
      preprocessor,
      architecture.image.imageSize,
      folder,
      library === 'transformers' ? 'down' : 'even',
    ),
    tokens,
    scoring: await readScoring(checkpoint, architecture),
    towers: once(async () => {
      const ports = builtPorts(architecture);
      const wiring = { ...wire(ports.image, name), ...wire(ports.text, name) } as Required<Wiring>;
      return {
        image: { graph: once(() => graph('image')), wiring: { image: wiring.image } },
        text: { graph: once(() => graph('text')), wiring: { text: wiring.text } },
      };
    }),
    tokenizer: once(() => loadTokenizer(folder, tokens)),
    weightFile: checkpoint.file,
  };
}

async function describeReadyMade(
  { name, folder, repo }: ModelLocation,
  readyMade: ReadyMade,
): Promise<ModelDescription> {
  const { image, text, logits, preprocessing, tokens, tokenizerFolder } = readyMade;
  return {
    name,
    folder,
    contents: { kind: 'onnx', readyMade },
    preprocessing,
    tokens,
    scoring: repo === undefined ? undefined : await scoringOfCard(repo),
    towers: async () => ({
      image: { graph: { path: image.path }, wiring: image.wiring },
      text: { graph: { path: text.path }, wiring: text.wiring },
      logits,
    }),
    tokenizer: once(() => loadTokenizer(tokenizerFolder, tokens)),
    weightFile: image.path,
  };
}

/** Split graphs hold no scale: of a repository that there is a card for, the card says it. */
async function scoringOfCard(repo: string): Promise<Scoring | undefined> {
  const { logitScale = null, logitBias = null } = (await findCard(repo))?.scoring ?? {};
  if (logitScale === null) return undefined;
  return logitBias === null ? { logitScale } : { logitScale, logitBias };
}

/** The trained scale and bias; `logit_scale_init_value` of a config is where training began. */
async function readScoring(checkpoint: Checkpoint, { loss }: Architecture): Promise<Scoring> {
  const logitScale = Math.exp(await checkpoint.scalar('logit_scale'));
  const logitBias = loss === 'sigmoid' ? await checkpoint.scalar('logit_bias') : 0;
  if (!(Number.isFinite(logitScale) && Number.isFinite(logitBias))) {
    throw new ModelError(
      `logit_scale in ${checkpoint.file} is not a finite number`,
      'download or export the checkpoint again',
    );
  }
  return loss === 'sigmoid' ? { logitScale, logitBias } : { logitScale };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
