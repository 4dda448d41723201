import type { Clip } from '../clip.ts';
import type { Embedded } from '../embed/encoder.ts';
import type { LabelPrompts, LabelRows } from '../embed/labels.ts';
import { LabelsError, messageOf } from '../errors.ts';
import type { DecodeOptions } from '../image/decode-options.ts';
import type { ImageInput } from '../image/given.ts';
import type { Provider } from '../model/choices.ts';

/** Milliseconds before a model that failed to load is loaded again. */
const PAUSE_MS = 1_000;

/** Keeps one model loaded. A model whose worker processes have failed for good is loaded again. */
export class ModelHost {
  private loading: Promise<Clip>;
  private loadedAt = 0;
  private ranOn: Promise<Provider> | undefined;

  /**
   * @param clip the loaded model
   * @param load loads it again
   * @param onReload called with the reason
   */
  constructor(
    readonly clip: Clip,
    private readonly load: () => Promise<Clip>,
    private readonly onReload: (why: string) => void,
  ) {
    this.loading = Promise.resolve(clip);
  }

  /** The provider of the model. Opens the image graph the first time. */
  provider(): Promise<Provider> {
    this.ranOn ??= this.clip.provider();
    return this.ranOn;
  }

  /** One image, in a worker process. @throws ModelError or ProviderError if the model cannot be loaded again either */
  encodeImage(source: ImageInput, options: Partial<DecodeOptions>): Promise<Embedded> {
    return this.withClip(async (clip) => {
      for await (const embedded of clip.encodeImages([source], options)) return embedded;
      throw new Error('an image has no result');
    });
  }

  /** As `Clip.encodeLabels`. @throws LabelsError */
  encodeLabels(prompts: LabelPrompts): Promise<LabelRows> {
    return this.withClip((clip) => clip.encodeLabels(prompts));
  }

  async release(): Promise<void> {
    await (await this.loading.catch(() => undefined))?.release();
  }

  /** Tries a second time after loading the model again. */
  private async withClip<T>(work: (clip: Clip) => Promise<T>): Promise<T> {
    const { loading } = this;
    try {
      return await work(await loading);
    } catch (error) {
      if (error instanceof LabelsError) throw error;
      if (loading === this.loading) this.reload(error);
      return work(await this.loading);
    }
  }

  private reload(why: unknown): void {
    const last = this.loading;
    if (performance.now() - this.loadedAt < PAUSE_MS) throw why;
    this.loadedAt = performance.now();
    this.onReload(messageOf(why));
    this.loading = last.then(
      async (clip) => {
        await clip.release();
        return this.load();
      },
      () => this.load(),
    );
    this.loading.catch(() => {}); // the callers that wait for it get the error
  }
}
