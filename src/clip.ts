import { stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { env as processEnv } from 'node:process';
import { EmbeddingCache } from './cache/cache.ts';
import { CachedImages } from './cache/image-cache.ts';
import { encodeLabelsOnce } from './cache/label-cache.ts';
import { type Embedded, encodeAll, type ImageEncoder, PROCESSES } from './embed/encoder.ts';
import { fetchingEncoder } from './embed/fetching.ts';
import { openImageTower } from './embed/image-tower.ts';
import { encodeLabels, type LabelPrompts, type LabelRows, type TextEncoder } from './embed/labels.ts';
import { encodeInProcess } from './embed/local.ts';
import type { Setup } from './embed/messages.ts';
import { pagesOf } from './embed/pages.ts';
import { chooseScoring, type ScoringOptions } from './embed/scoring.ts';
import { withTextTower } from './embed/text-tower.ts';
import { UsageError } from './errors.ts';
import { completeDecode, type DecodeOptions, RESIZE } from './image/decode-options.ts';
import { decoderVersions } from './image/libvips.ts';
import type { ImageSource } from './image/source.ts';
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
  /** Which of several GPUs. @default 0 */
  readonly device?: number;
  /** Images of one inference; scores do not depend on it. @default 8 */
  readonly batch?: number;
  /**
   * Encode images in processes of their own, which are killed and replaced where an image crashes one or it is stuck.
   * Two of them, where there is more than one thread: each holds the weights.
   * @default false
   */
  readonly isolate?: boolean;
  /** Few images will be encoded: the graph opens sooner and runs slower. @default false */
  readonly few?: boolean;
  /** Seconds without progress after which that process counts as stuck; a slow model gets more. @default 10 */
  readonly timeout?: number;
  /** Images are not fetched by their URLs. @default what HF_HUB_OFFLINE says */
  readonly offline?: boolean;
  /** Ends the encoding of images: its reason is thrown, and processes are killed at once. */
  readonly signal?: AbortSignal;
  /** Keep label embeddings, and take them from, the cache folder of this tool. @default true */
  readonly cache?: boolean;
  /** The same for images; needs `cache`. @default false */
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
    images: Iterable<ImageSource> | AsyncIterable<ImageSource>,
    options?: Partial<DecodeOptions> & { readonly allPages?: boolean },
  ): AsyncIterable<Embedded>;
  /** @param prompts P prompts as token ids, each at most the context long; @returns [P, D] */
  encodeTexts(prompts: readonly (readonly number[])[]): Promise<UnitRows>;
  /** @param prompts the texts of each label, which are encoded once and then kept on disk; @returns [L, D], the mean over a label's texts made unit length again */
  encodeLabels(prompts: LabelPrompts): Promise<LabelRows>;
  /** Frees the graphs; afterwards nothing can be encoded. */
  release(): Promise<void>;
}

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
  const { threads = availableParallelism(), provider = 'auto', device = 0, dtype = 'fp32', batch = 8 } = options;
  requireCounts({ threads, batch });
  requireOneOf('dtype', dtype, DTYPES);
  const description = await describeModel(nameOrFolder, options);
  const scoring = await chooseScoring(description, options, threads);
  const machine = { threads, provider, device, once: options.few ?? false };
  const encoder = options.isolate
    ? await isolated(description, { ...machine, model: nameOrFolder, dtype, batch }, options)
    : encodeInProcess(description, () => openImageTower(description, machine), {
        batch,
        decoders: DECODERS,
      });
  const { env, cache = true, cacheImages = false, onCacheTrouble = () => {} } = options;
  const digest = new ModelDigest(description, env, cache);
  const circumstances = { dtype, provider, decoder: decoderVersions };
  const embeddings = cache ? new EmbeddingCache(digest, circumstances, env, onCacheTrouble) : undefined;
  const images = fetchingEncoder(
    embeddings && cacheImages ? new CachedImages(encoder, embeddings) : encoder,
    async () =>
      (await import('./image/download.ts')).imageFetcher(() =>
        networkSettings({ ...processEnv, ...env }, options.offline),
      ),
  );
  const texts: TextEncoder = {
    tokenizer: description.tokenizer,
    withTextTower: (use, prompts) => withTextTower(description, machine, use, prompts),
  };
  return {
    ...description,
    ...scoring,
    dtype,
    digest: () => digest.compute(),
    provider: () => images.provider(),
    encodeImages: (sources, decoding = {}) => {
      if (typeof sources === 'string') throw new UsageError(`images is the text "${sources}"`, 'give a list: [path]');
      const decode = completeDecode(decoding);
      requireCounts({ maxPixels: decode.maxPixels });
      requireOneOf('resize', decode.resize, RESIZE);
      const processes = options.isolate ? PROCESSES : 1;
      const pictures = decoding.allPages ? pagesOf(sources) : sources;
      return encodeAll(images, pictures, decode, processes * BATCHES_AHEAD * Math.max(batch, DECODERS), options.signal);
    },
    encodeTexts: (prompts) => texts.withTextTower((encode) => encode(prompts), prompts.length),
    encodeLabels: (prompts) =>
      embeddings ? encodeLabelsOnce(texts, prompts, embeddings) : encodeLabels(texts, prompts),
    release: async () => {
      await images.release();
      if (!options.signal?.aborted) await embeddings?.release();
    },
  };
}

/** In processes of their own, whose modules are read when there is need of them. */
async function isolated(
  { weightFile }: ModelDescription,
  setup: Omit<Setup, 'decoders'>,
  { timeout = 10, env, signal }: LoadOptions,
): Promise<ImageEncoder> {
  const { encodeInProcesses } = await import('./embed/parallel.ts');
  const weightBytes = (await stat(weightFile)).size;
  return encodeInProcesses(
    { ...setup, decoders: DECODERS },
    { env: { ...processEnv, ...env }, timeout, weightBytes, signal },
  );
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
