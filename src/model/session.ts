import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { arch, env, platform } from 'node:process';
import type * as runtime from 'onnxruntime-node';
import { requireNative } from '../disk/native.ts';
import { CacheError, ModelError, messageOf, ProviderError } from '../errors.ts';
import type { Matrix } from '../tensor.ts';

const require = createRequire(import.meta.url);

/**
 * The weights of a graph: the folder of their file, or the bytes of this file in memory. `file` is a file in the cache, which another
 * process may delete.
 */
export type Weights =
  | { readonly folder: string; readonly file?: string }
  | { readonly name: string; readonly data: Uint8Array };

/** An ONNX graph: its bytes and its weights, or the path of a whole model. */
export type Graph =
  | {
      readonly bytes: Uint8Array;
      readonly weights: Weights;
      /** The graph is mostly convolutions, so onnxruntime's own layout saves time from the first image on. @default false */
      readonly convolutional?: boolean;
    }
  | {
      readonly path: string;
      /** {@link saveOptimized} wrote the graph on this machine, so it is not optimised again. @default false */
      readonly isOptimized?: boolean;
    };

/** A graph, or a function that makes it for an execution provider. The function is called again if files in the cache were deleted. */
export type GraphSource = Graph | ((provider: string) => Promise<Graph>);

/** An input tensor. */
export type Feed =
  | { readonly type: 'float32'; readonly data: Float32Array; readonly shape: readonly number[] }
  | { readonly type: 'uint8'; readonly data: Uint8Array; readonly shape: readonly number[] }
  | { readonly type: 'int32'; readonly data: Int32Array; readonly shape: readonly number[] }
  | { readonly type: 'int64'; readonly data: BigInt64Array; readonly shape: readonly number[] };

/** A graph, ready to run. */
export interface Session {
  /** @returns the named outputs, each `[rows, columns]` */
  run(feeds: Readonly<Record<string, Feed>>, outputs: readonly string[]): Promise<Matrix[]>;
  release(): Promise<void>;
}

/** Where and how a graph runs. */
export interface SessionOptions {
  /** Threads of one inference on the CPU. */
  readonly threads: number;
  /** An execution provider of onnxruntime, by its name there. */
  readonly provider: string;
  /** Number of the device. */
  readonly device: number;
  /**
   * Open faster and run slower: right for a few runs. Weights are then used in the order of their file, not copied into the order that
   * is fastest for many products. A ViT-B/32 opens in an eighth of the time.
   *
   * @default false
   */
  readonly once?: boolean | undefined;
}

let loaded: typeof runtime | undefined;

/** @throws ProviderError if its native library cannot be loaded */
function ort(): typeof runtime {
  if (loaded !== undefined) return loaded;
  // Since 1.29 onnxruntime sends telemetry from Linux too. It also matches the command line against a regular expression, which
  // overflows the stack if the line has some 40,000 bytes of paths. Users asked for neither.
  env['ORT_DISABLE_TELEMETRY'] = '1';
  loaded = requireNative('onnxruntime-node') as typeof runtime;
  // Native errors become exceptions. By default onnxruntime also writes them to standard error.
  loaded.env.logLevel = 'fatal';
  return loaded;
}

/** The folder of onnxruntime's native libraries, and the script of its package that downloads those for CUDA. */
export function runtimeFiles(): { readonly folder: string; readonly installScript: string } {
  const root = dirname(require.resolve('onnxruntime-node/package.json'));
  const api = readdirSync(join(root, 'bin')).find((name) => name.startsWith('napi-v')) ?? '';
  return { folder: join(root, 'bin', api, platform, arch), installScript: join(root, 'script', 'install.js') };
}

/** The version of onnxruntime. */
export function runtimeVersion(): string {
  return ort().env.versions.node ?? ort().env.versions.common;
}

/** The providers in this build of onnxruntime. They do not all work on every machine. */
export function builtInProviders(): string[] {
  return ort()
    .listSupportedBackends()
    .map(({ name }) => name);
}

/**
 * Opens a graph on one provider. onnxruntime throws an error and never falls back to another provider.
 * onnxruntime refuses external data if a link leads out of the model's folder. With the real folder of the weights, the graph can be
 * in another folder or only in memory.
 *
 * @throws ProviderError if the provider cannot run here
 * @throws ModelError if onnxruntime does not accept the graph or cannot read the weights
 */
export async function openSession(source: GraphSource, options: SessionOptions): Promise<Session> {
  for (let tries = 1; ; tries++) {
    const graph = typeof source === 'function' ? await source(options.provider) : source;
    try {
      return await openGraph(graph, options);
    } catch (error) {
      if (tries === MOST_TRIES || typeof source !== 'function' || !isGone(graph)) throw error;
    }
  }
}

/** Another process may empty the cache while a graph is opened. More tries would not help. */
const MOST_TRIES = 5;

/** Whether files of a graph were in the cache, and have been deleted there. */
function isGone(graph: Graph): boolean {
  return cachedFiles(graph).some((path) => !existsSync(path));
}

function cachedFiles(graph: Graph): string[] {
  if ('path' in graph) return graph.isOptimized ? [graph.path, optimizedWeights(graph.path)] : [];
  return 'folder' in graph.weights && graph.weights.file !== undefined ? [graph.weights.file] : [];
}

/** The weights of an optimised graph. */
export const optimizedWeights = (path: string) => `${path}.weights`;

async function openGraph(graph: Graph, { threads, provider, device, once = false }: SessionOptions): Promise<Session> {
  const options: runtime.InferenceSession.SessionOptions = {
    executionProviders: [provider === 'cuda' || provider === 'dml' ? { name: provider, deviceId: device } : provider],
    // Without both numbers, onnxruntime pins threads to cores, and prints a warning if a container forbids it.
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
    graphOptimizationLevel: levelOf(graph, once),
    // A memory pattern needs one more block for the values between layers (76 MB for eight images of the starter) and saves no time.
    enableMemPattern: false,
  };
  let session: runtime.InferenceSession;
  try {
    session = await create(graph, options, once ? { disable_prepacking: '1' } : {});
  } catch (error) {
    const message = messageOf(error);
    if (provider !== 'cpu') {
      const cause = message.replace(/^\S+\.cc:\d+ .* was false\. /u, ''); // the place in onnxruntime's source
      throw new ProviderError(
        `the ${provider} provider does not work here: ${cause}`,
        'run clip-classify doctor to see why',
        error,
      );
    }
    const where =
      'path' in graph ? graph.path : `the model in ${'folder' in graph.weights ? graph.weights.folder : 'memory'}`;
    throw new ModelError(`onnxruntime cannot open ${where}: ${message}`, nextStepOf(message), error);
  }
  return {
    async run(feeds, outputs) {
      const tensors = Object.entries(feeds).map(([name, feed]) => [name, toTensor(feed)] as const);
      const results = await session.run(Object.fromEntries(tensors), [...outputs]).catch((error: unknown) => {
        const message = messageOf(error);
        throw new ModelError(`cannot run the model: ${message}`, nextStepOf(message), error);
      });
      return outputs.map((name) => toMatrix(results[name] as runtime.Tensor));
    },
    release: () => session.release(),
  };
}

/** The next step after an error of onnxruntime. If memory is short, the model is not the cause. */
function nextStepOf(message: string): string {
  return /bad_alloc|failed to allocate/iu.test(message)
    ? 'free memory, raise its limit (ulimit -v), or use a smaller model'
    : 'download or export the model again';
}

/**
 * Optimises a graph for the processor of this machine and writes it. {@link openSession} opens the result in a fraction of the time.
 *
 * @param path the file to write
 * @param weights the name of the file next to it for the weights
 * @throws CacheError if onnxruntime cannot do it; {@link openSession} says what is wrong with a graph
 */
export async function saveOptimized(graph: Graph, path: string, weights: string): Promise<void> {
  const options = { executionProviders: ['cpu'], logSeverityLevel: 4, graphOptimizationLevel: 'all' } as const;
  try {
    const session = await create(
      graph,
      { ...options, optimizedModelFilePath: path },
      {
        optimized_model_external_initializers_file_name: weights,
        optimized_model_external_initializers_min_size_in_bytes: '1024',
      },
    );
    await session.release();
  } catch (error) {
    throw new CacheError(`onnxruntime cannot write ${path}: ${messageOf(error)}`, 'free some space', error);
  }
}

/** @param settings session settings by their names in onnxruntime */
function create(
  graph: Graph,
  options: runtime.InferenceSession.SessionOptions,
  settings: Readonly<Record<string, string>>,
): Promise<runtime.InferenceSession> {
  const { InferenceSession } = ort();
  if ('path' in graph) return InferenceSession.create(graph.path, { ...options, extra: { session: settings } });
  const { bytes, weights } = graph;
  const place = 'folder' in weights && { model_external_initializers_file_folder_path: weights.folder };
  return InferenceSession.create(bytes, {
    ...options,
    extra: { session: { ...settings, ...place } },
    ...('name' in weights && { externalData: [{ path: weights.name, data: weights.data }] }),
  });
}

/**
 * The level of optimisation. For a few runs, it is the level that gives the first result soonest. This package writes its graphs in
 * their fastest form, except convolutions.
 */
function levelOf(graph: Graph, once: boolean): 'disabled' | 'extended' | 'all' {
  if ('path' in graph) return graph.isOptimized ? 'disabled' : once ? 'extended' : 'all';
  return once && !graph.convolutional ? 'disabled' : 'all';
}

function toTensor({ type, data, shape }: Feed): runtime.Tensor {
  switch (type) {
    case 'float32':
      return new (ort().Tensor)(type, data, shape);
    case 'uint8':
      return new (ort().Tensor)(type, data, shape);
    case 'int32':
      return new (ort().Tensor)(type, data, shape);
    case 'int64':
      return new (ort().Tensor)(type, data, shape);
  }
}

/** The widest embedding, far above real models. Wider outputs are not copied (CWE-770). */
const MOST_COLUMNS = 65_536;

function toMatrix(tensor: runtime.Tensor): Matrix {
  const { dims } = tensor;
  const [rows = 0, columns = 0] = dims;
  if (columns > MOST_COLUMNS)
    throw new ModelError(`the model makes embeddings of ${columns} numbers`, 'download or export it again');
  const { data } = tensor;
  if (dims.length !== 2 || !(data instanceof Float32Array)) {
    throw new ModelError(
      `an output of the model has the unexpected shape [${dims.join(', ')}]`,
      'use a model that returns float32 embeddings',
    );
  }
  return { rows, columns, data };
}
