import { env as processEnv } from 'node:process';
import { EmbeddingCache } from './cache/cache.ts';
import { CachedImages } from './cache/image-cache.ts';
import { encodeLabelsOnce } from './cache/label-cache.ts';
import { requireVirtualMemory } from './disk/native.ts';
import { type Embedded, encodeAll, type ImageEncoder } from './embed/encoder.ts';
import { fetchingEncoder } from './embed/fetching.ts';
import { TIMEOUT } from './embed/keeping.ts';
import type { LabelPrompts, LabelRows } from './embed/labels.ts';
import { type EncoderOptions, openEncoders } from './embed/open.ts';
import { pagesOf } from './embed/pages.ts';
import { UsageError } from './errors.ts';
import { completeDecode, type DecodeOptions, RESIZE } from './image/decode-options.ts';
import { type ImageInputs, sourcesOf } from './image/given.ts';
import { decoderVersions } from './image/libvips.ts';
import { spooled } from './image/spool.ts';
import { DTYPES, type Provider } from './model/choices.ts';
import { readModel } from './model/describe.ts';
import type { ModelDescription, Scoring } from './model/description.ts';
import { ModelDigest } from './model/digest.ts';
import { findModel } from './model/find.ts';
import { networkSettings } from './network/settings.ts';
import type { UnitRows } from './tensor.ts';

export interface LoadOptions extends EncoderOptions {
  /** Files may be on a disk that does not answer: reading a file may take `timeout` at most, too. @default false */
  readonly isWary?: boolean;
  /** URLs of images may lead to public addresses only, because another person than the user names them. @default false */
  readonly publicUrls?: boolean;
  /** The most downloads at once from one host. At most 8 run at once in all. @default 8 */
  readonly perHost?: number;
  /** Refuse to download images. @default what HF_HUB_OFFLINE says */
  readonly offline?: boolean;
  /** Cache label embeddings in the cache folder of this tool. @default true */
  readonly cache?: boolean;
  /** Also cache image embeddings; needs `cache`. @default false */
  readonly cacheImages?: boolean;
}

/** A CLIP, ready to run. Its graphs are opened when they are first needed. */
export interface Clip extends Omit<ModelDescription, 'scoring' | 'graphs'>, Scoring {
  /** The sha256 of everything that its embeddings depend on. Hashes the weights if their checksum is not known yet. */
  digest(): Promise<string>;
  /** The provider that runs the model. Opens the image graph. */
  provider(): Promise<Provider>;
  /**
   * One result per image, in order. Images are read as results are asked for, so memory does not grow with their number.
   *
   * @throws ModelError or ProviderError if the image graph cannot be opened or run; the reason of an aborted signal
   */
  encodeImages(
    images: ImageInputs,
    options?: Partial<DecodeOptions> & { readonly allPages?: boolean },
  ): AsyncIterable<Embedded>;
  /** @param texts T texts; those longer than the context are truncated; @returns [T, D] */
  encodeTexts(texts: readonly string[]): Promise<UnitRows>;
  /** @param prompts P prompts as token ids, each at most the context long; @returns [P, D] */
  encodeTokens(prompts: readonly (readonly number[])[]): Promise<UnitRows>;
  /**
   * Encodes labels, and caches their embeddings on disk.
   *
   * @param prompts the texts of each label; @returns [L, D], the mean over the texts of each label, normalized
   */
  encodeLabels(prompts: LabelPrompts): Promise<LabelRows>;
  /** Frees the graphs. Nothing can be encoded after this. */
  release(): Promise<void>;
  /** Calls {@link release}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Loads a model in three steps: where is it, what is it, run it.
 *
 * @throws ModelError if there is no such model, if it is damaged, or if its logit scale is unknown
 */
export async function loadModel(nameOrFolder: string, options: LoadOptions = {}): Promise<Clip> {
  const { dtype, provider = 'auto', env, cache = true, onCacheTrouble = () => {} } = options;
  requireCounts({ threads: options.threads ?? 1, batch: options.batch ?? 1, perHost: options.perHost ?? 1 });
  if (dtype !== undefined) requireOneOf('dtype', dtype, DTYPES);
  requireVirtualMemory('onnxruntime-node'); // before the tokenizer, because Node itself crashes if memory ends there
  const location = await findModel(nameOrFolder, env);
  const model = await readModel(location, options);
  const encoders = await openEncoders(model, nameOrFolder, options);

  const digest = new ModelDigest(model, env, cache);
  const circumstances = { dtype: model.dtype, provider, decoder: decoderVersions };
  const embeddings = cache ? new EmbeddingCache(model.name, digest, circumstances, env, onCacheTrouble) : undefined;
  const images = fetching(cached(encoders.images, embeddings, options), options);
  const encodeLabels = (prompts: LabelPrompts) =>
    embeddings ? encodeLabelsOnce(encoders.labels, prompts, embeddings) : encoders.labels(prompts);
  const release = async () => {
    await Promise.all([images.release(), encoders.releaseLabels()]);
    if (!options.signal?.aborted) await embeddings?.release();
  };
  return {
    ...model,
    ...encoders.scoring,
    digest: () => digest.compute(),
    provider: () => images.provider(),
    encodeImages: (sources, decoding = {}) => {
      const decode = completeDecode(decoding);
      requireCounts({ maxPixels: decode.maxPixels });
      requireOneOf('resize', decode.resize, RESIZE);
      const given = sourcesOf(sources);
      return encodeAll(images, decoding.allPages ? pagesOf(given) : given, decode, encoders.ahead, options.signal);
    },
    encodeTexts: async (given) => {
      requireArray('texts', given);
      const odd = given.findIndex((text) => typeof text !== 'string');
      if (odd >= 0) throw new UsageError(`text ${odd + 1} is not a string`, 'pass token ids to encodeTokens');
      return (await encodeLabels(given.map((text) => [text]))).rows;
    },
    encodeTokens: async (prompts) => {
      requireArray('prompts', prompts);
      const odd = prompts.findIndex((ids) => !Array.isArray(ids) || !ids.every(Number.isInteger));
      if (odd >= 0) throw new UsageError(`prompt ${odd + 1} is not an array of token ids`, 'pass texts to encodeTexts');
      return encoders.texts.withTextGraph((encode) => encode(prompts), prompts.length);
    },
    encodeLabels,
    release,
    [Symbol.asyncDispose]: release,
  };
}

/** Takes embeddings of images from the cache, if the options ask for that. */
function cached(encoder: ImageEncoder, embeddings: EmbeddingCache | undefined, options: LoadOptions): ImageEncoder {
  if (embeddings === undefined || !options.cacheImages) return encoder;
  return new CachedImages(encoder, embeddings, options.isWary ? (options.timeout ?? TIMEOUT) : undefined);
}

/** Downloads images that are given as URLs. The code for that is loaded at the first URL. */
function fetching(encoder: ImageEncoder, { env, offline, publicUrls, perHost }: LoadOptions): ImageEncoder {
  const settings = () => networkSettings({ ...processEnv, ...env }, offline);
  return fetchingEncoder(encoder, async () =>
    (await import('./image/download.ts')).fetcherInto(spooled, settings, undefined, publicUrls, perHost),
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

/** @throws UsageError for callers without types */
function requireArray(name: string, value: unknown): void {
  if (!Array.isArray(value))
    throw new UsageError(`the ${name} are not in an array`, 'use an array, also for a single one');
}
