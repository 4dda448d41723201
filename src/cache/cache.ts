import { join } from 'node:path';
import { cacheLimit } from '../disk/cache-limit.ts';
import { cacheFolder, type Env } from '../disk/environment.ts';
import type { ModelDigest } from '../model/digest.ts';
import { EmbeddingStore } from './store.ts';

/** Increase it if the same model, image or text gets another embedding than before. Otherwise, versions of this package share embeddings. */
const FORMAT = 3;

/** The folder of all stores. */
export function embeddingsFolder(env?: Env): string {
  return join(cacheFolder(env), 'embeddings');
}

/** What embeddings depend on, in addition to the model and the image or text. */
export interface Circumstances {
  readonly dtype: string;
  /** The requested provider. */
  readonly provider: string;
  /** The decoder of images, with its version. */
  decoder(): string;
}

/** The embeddings of one model, in this tool's cache. */
export class EmbeddingCache {
  private readonly pending = new Set<Promise<void>>();
  private readonly limit: number;

  /**
   * @param model its name, for people
   * @param onTrouble called if nothing can be cached
   * @throws UsageError if the limit of the cache is not a size
   */
  constructor(
    private readonly model: string,
    private readonly digest: ModelDigest,
    private readonly circumstances: Circumstances,
    private readonly env: Env | undefined,
    private readonly onTrouble: (error: unknown) => void,
  ) {
    this.limit = cacheLimit(env);
  }

  /**
   * Opens the store of labels or images. The caller closes it.
   *
   * @param wait whether to wait until the model is hashed, if its digest is not known yet
   * @returns undefined if the digest of the model is not known, or there is no cache
   */
  async open(kind: 'labels' | 'images', { wait }: { readonly wait: boolean }): Promise<EmbeddingStore | undefined> {
    try {
      const model = wait ? await this.digest.compute() : await this.digest.known();
      if (model === undefined) return undefined;
      const { dtype, provider } = this.circumstances;
      const facts = {
        kind,
        format: FORMAT,
        model,
        dtype,
        provider,
        ...(kind === 'images' && { decoder: this.circumstances.decoder() }),
      };
      const keeping = { model: this.model, limit: this.limit };
      return await EmbeddingStore.open(embeddingsFolder(this.env), JSON.stringify(facts), this.onTrouble, keeping);
    } catch (error) {
      this.onTrouble(error);
      return undefined;
    }
  }

  /** Work in the background. {@link release} waits for it. */
  settle(work: Promise<void>): void {
    const settled = work.catch(this.onTrouble).finally(() => this.pending.delete(settled));
    this.pending.add(settled);
  }

  /** Waits for the work in progress. */
  async release(): Promise<void> {
    await Promise.all(this.pending);
  }
}
