import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { env as processEnv } from 'node:process';
import { EmbeddingCache } from './cache/cache.ts';
import { CachedImages } from './cache/image-cache.ts';
import { encodeLabelsOnce } from './cache/label-cache.ts';
import { usableCores, usableMemory } from './disk/machine.ts';
import { type Embedded, encodeAll, PROCESSES } from './embed/encoder.ts';
import type { Launch } from './embed/encoder-process.ts';
import { fetchingEncoder } from './embed/fetching.ts';
import { openImageTower } from './embed/image-tower.ts';
import {
  encodeLabels,
  type LabelEncoder,
  type LabelPrompts,
  type LabelRows,
  type TextEncoder,
} from './embed/labels.ts';
import { encodeInProcess } from './embed/local.ts';
import { memoryLimit } from './embed/memory.ts';
import { pagesOf } from './embed/pages.ts';
import { chooseScoring, measureLogitScale, type ScoringOptions } from './embed/scoring.ts';
import { withTextTower } from './embed/text-tower.ts';
import type { Patience } from './embed/watchdog.ts';
import { UsageError } from './errors.ts';
import { completeDecode, type DecodeOptions, RESIZE } from './image/decode-options.ts';
import { type ImageInputs, sourcesOf } from './image/given.ts';
import { decoderVersions } from './image/libvips.ts';
import { spooled } from './image/spool.ts';
import { type DescribeOptions, describeModel, type ModelDescription, type Scoring } from './model/description.ts';
import { ModelDigest } from './model/digest.ts';
import type { Provider, ProviderChoice } from './model/provider.ts';
import { DTYPES, type Dtype } from './model/ready-made.ts';
import { networkSettings } from './network/settings.ts';
import type { UnitRows } from './tensor.ts';

export interface LoadOptions extends DescribeOptions, ScoringOptions {
  /** Threads of inference; where images are isolated, two processes share them. @default all cores that this process may use */
  readonly threads?: number;
  /** What inference runs on; `auto` takes the best that really runs. @default 'auto' */
  readonly provider?: ProviderChoice;
  /** Number of the GPU. @default 0 */
  readonly device?: number;
  /** Images of one inference; scores do not depend on it. @default 8 */
  readonly batch?: number;
  /**
   * Encode images in processes of their own, which are killed and replaced where an image crashes one or it is stuck.
   * Two of them, where there is more than one thread: each holds the weights. A model that is foreign (ready-made graphs, or a
   * tokenizer with patterns of its own) encodes its labels in such a process too, for it may never end. 'foreign': only such
   * a model is isolated, in one process.
   * @default false
   */
  readonly isolate?: boolean | 'foreign';
  /** Few images will be encoded: the graph opens sooner and runs slower. @default false */
  readonly few?: boolean;
  /** Files may lie on a disk that does not answer: `timeout` holds for reading one too. @default false */
  readonly isWary?: boolean;
  /** Seconds without progress after which that process counts as stuck; a slow model gets more. @default 10 */
  readonly timeout?: number;
  /** URLs of images lead to public addresses only: whoever names them is not the user of this machine. @default false */
  readonly publicUrls?: boolean;
  /** Images are not fetched by their URLs. @default what HF_HUB_OFFLINE says */
  readonly offline?: boolean;
  /** Ends the encoding of images: its reason is thrown, and processes are killed at once. */
  readonly signal?: AbortSignal;
  /** Keep label embeddings, and take them from, the cache folder of this tool. @default true */
  readonly cache?: boolean;
  /** Also cache image embeddings; needs `cache`. @default false */
  readonly cacheImages?: boolean;
}

/** A CLIP, ready to run; its graphs are opened when they are first needed. */
export interface Clip extends Omit<ModelDescription, 'scoring' | 'towers'>, Scoring {
  readonly dtype: Dtype;
  /** The sha256 of everything that its embeddings depend on; hashes the weights where that has not been done. */
  digest(): Promise<string>;
  /** What it really runs on; opens the image graph. */
  provider(): Promise<Provider>;
  /**
   * One result per image, in order. Pulls as it is pulled: memory does not grow with the number of images.
   *
   * @throws ModelError or ProviderError if the image graph cannot be opened or run; the reason of an aborted signal
   */
  encodeImages(
    images: ImageInputs,
    options?: Partial<DecodeOptions> & { readonly allPages?: boolean },
  ): AsyncIterable<Embedded>;
  /** @param texts T texts, which are tokenized; longer ones are truncated; @returns [T, D] */
  encodeTexts(texts: readonly string[]): Promise<UnitRows>;
  /** @param prompts P prompts as token ids, each at most the context long; @returns [P, D] */
  encodeTokens(prompts: readonly (readonly number[])[]): Promise<UnitRows>;
  /** @param prompts the texts of each label, which are encoded once and then kept on disk; @returns [L, D], the mean over a label's texts made unit length again */
  encodeLabels(prompts: LabelPrompts): Promise<LabelRows>;
  /** Frees the graphs; afterwards nothing can be encoded. */
  release(): Promise<void>;
  /** Calls {@link release}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Seconds. */
const TIMEOUT = 10;
/** Images that a process decodes at once: each takes a thread of Node's pool and one of libvips'. */
const DECODERS = 4;
/** Batches under way in each process: one that runs, one that is ready, one that is being prepared. */
const BATCHES_AHEAD = 3;

/**
 * Loads a model: finds it and reads what it is.
 *
 * @throws ModelError as {@link describeModel}, or if its logit scale is not known
 */
export async function loadModel(nameOrFolder: string, options: LoadOptions = {}): Promise<Clip> {
  const { threads = usableCores(), provider = 'auto', device = 0, dtype = 'fp32', batch = 8 } = options;
  requireCounts({ threads, batch });
  requireOneOf('dtype', dtype, DTYPES);
  const description = await describeModel(nameOrFolder, options);
  const machine = { threads, provider, device, once: options.few ?? false };
  const setup = { ...machine, model: nameOrFolder, dtype, batch, decoders: DECODERS };
  const { isolate = false } = options;
  const isForeign = description.contents.kind === 'onnx';
  const keeping = isolate ? await keepingOf(description, options) : undefined;
  const scoring = await chooseScoring(description, options, async () =>
    keeping && isForeign
      ? (await import('./embed/apart.ts')).measureLogitScaleApart(setup, keeping)
      : measureLogitScale(description, threads),
  );
  const processes = isolate === true && keeping && holds(keeping.weightBytes * PROCESSES) ? PROCESSES : 1;
  const encoder =
    keeping && (isolate === true || isForeign)
      ? (await import('./embed/parallel.ts')).encodeInProcesses(setup, keeping, processes)
      : encodeInProcess(description, () => openImageTower(description, machine), setup);
  const { env, cache = true, cacheImages = false, onCacheTrouble = () => {} } = options;
  const digest = new ModelDigest(description, env, cache);
  const circumstances = { dtype, provider, decoder: decoderVersions };
  const embeddings = cache
    ? new EmbeddingCache(description.name, digest, circumstances, env, onCacheTrouble)
    : undefined;
  const images = fetchingEncoder(
    embeddings && cacheImages
      ? new CachedImages(encoder, embeddings, options.isWary ? (options.timeout ?? TIMEOUT) : undefined)
      : encoder,
    async () =>
      (await import('./image/download.ts')).fetcherInto(
        spooled,
        () => networkSettings({ ...processEnv, ...env }, options.offline),
        undefined,
        options.publicUrls,
      ),
  );
  const texts: TextEncoder = {
    tokenizer: description.tokenizer,
    withTextTower: (use, prompts) => withTextTower(description, machine, use, prompts),
  };
  const encodeTextsOf: LabelEncoder = async (prompts, onPart) =>
    keeping && (isForeign || (await description.tokenizer()).isForeign)
      ? (await import('./embed/apart.ts')).encodeLabelsApart(setup, keeping, prompts, onPart)
      : encodeLabels(texts, prompts, onPart);
  const encodePrompts = (prompts: LabelPrompts) =>
    embeddings ? encodeLabelsOnce(encodeTextsOf, prompts, embeddings) : encodeTextsOf(prompts);
  const release = async () => {
    await images.release();
    if (!options.signal?.aborted) await embeddings?.release();
  };
  return {
    ...description,
    ...scoring,
    dtype,
    digest: () => digest.compute(),
    provider: () => images.provider(),
    encodeImages: (sources, decoding = {}) => {
      const decode = completeDecode(decoding);
      requireCounts({ maxPixels: decode.maxPixels });
      requireOneOf('resize', decode.resize, RESIZE);
      const given = sourcesOf(sources);
      return encodeAll(
        images,
        decoding.allPages ? pagesOf(given) : given,
        decode,
        processes * BATCHES_AHEAD * Math.max(batch, DECODERS),
        options.signal,
      );
    },
    encodeTexts: async (given) => {
      const odd = given.findIndex((text) => typeof text !== 'string');
      if (odd >= 0) throw new UsageError(`text ${odd + 1} is not a string`, 'pass token ids to encodeTokens');
      return (await encodePrompts(given.map((text) => [text]))).rows;
    },
    encodeTokens: async (prompts) => {
      const odd = prompts.findIndex((ids) => !Array.isArray(ids) || !ids.every(Number.isInteger));
      if (odd >= 0) throw new UsageError(`prompt ${odd + 1} is not an array of token ids`, 'pass texts to encodeTexts');
      return texts.withTextTower((encode) => encode(prompts), prompts.length);
    },
    encodeLabels: encodePrompts,
    release,
    [Symbol.asyncDispose]: release,
  };
}

/** What a process takes beside the weights, while it decodes and runs ordinary photographs. */
const PROCESS_BYTES = 150_000_000;

/** Whether there is memory for so many bytes of weights, in {@link PROCESSES} processes and this one. */
function holds(weightBytes: number): boolean {
  return usableMemory() > weightBytes + PROCESS_BYTES * (PROCESSES + 1);
}

/** Enough to find out that an untried graph takes too much memory. */
const FIRST_SECONDS = 8;

/** How child processes are kept. What a foreign model asks for is limited by the size of all that lies beside its graph. */
async function keepingOf(
  { weightFile, contents }: ModelDescription,
  { timeout = TIMEOUT, env, signal }: LoadOptions,
): Promise<Patience & Launch> {
  const isForeign = contents.kind === 'onnx';
  const weightBytes = isForeign ? await bytesIn(dirname(weightFile)) : (await stat(weightFile)).size;
  const limits = isForeign && { memory: memoryLimit(weightBytes), first: FIRST_SECONDS };
  return { env: { ...processEnv, ...env }, timeout, weightBytes, signal, ...limits };
}

async function bytesIn(folder: string): Promise<number> {
  const sizes = (await readdir(folder)).map(
    async (name) => (await stat(join(folder, name)).catch(() => ({ size: 0 }))).size,
  );
  return (await Promise.all(sizes)).reduce((a, b) => a + b, 0);
}

function requireCounts(counts: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(counts)) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw new UsageError(`\`${name}\` is ${value}`, 'use a whole number from 1');
  }
}

function requireOneOf(name: string, value: string, known: readonly string[]): void {
  if (!known.includes(value)) throw new UsageError(`\`${name}\` is ${value}`, `use one of ${known.join(', ')}`);
}
