import { UsageError } from '../errors.ts';
import { fitImage, normalize } from '../image/preprocess.ts';
import type { RgbImage } from '../image/resample.ts';
import type { Provider, ProviderChoice } from '../model/choices.ts';
import type { ModelDescription } from '../model/description.ts';
import { type Pixels, runImageGraph } from '../model/encoder.ts';
import { openOnProvider } from '../model/provider.ts';
import { openSession, type Session } from '../model/session.ts';
import { l2Normalize, stack, type UnitRows } from '../tensor.ts';

/** Where graphs run. */
export interface Execution {
  /** Threads of one inference. */
  readonly threads: number;
  readonly provider: ProviderChoice;
  /** Number of the GPU. */
  readonly device: number;
  /** Few images will be encoded. */
  readonly once?: boolean;
}

/** The image graph, open. */
export interface ImageGraph {
  readonly session: Session;
  readonly provider: Provider;
  /**
   * @param pixels N images, as {@link preparePixels} makes them
   * @param batch the most images of a call; a GPU always gets this number, padded if N is less
   * @returns [N, D]
   */
  encode(pixels: readonly Pixels[], batch?: number): Promise<UnitRows>;
  release(): Promise<void>;
}

/**
 * Images of one inference for each thread, if the graph is made of convolutions. Two are as fast as eight, and eight need 80 MB more
 * with the starter.
 */
const IMAGES_OF_A_THREAD = 2;

/** How pixels are prepared for a model. */
export type Preparing = Pick<ModelDescription, 'preprocessing' | 'graphs'>;

/**
 * Opens the image graph of a model.
 *
 * @throws ModelError or ProviderError
 */
export async function openImageGraph({ preprocessing, graphs }: Preparing, execution: Execution): Promise<ImageGraph> {
  const { graph, wiring } = (await graphs()).image;
  const { opened: session, provider } = await openOnProvider(execution.provider, (one) =>
    openSession(graph, { ...execution, provider: one }),
  );
  const { size } = preprocessing;
  const most =
    wiring.isConvolutional && provider === 'cpu' ? IMAGES_OF_A_THREAD * execution.threads : Number.POSITIVE_INFINITY;
  return {
    session,
    provider,
    encode: async (pixels, batch = pixels.length) => {
      if (pixels.some((one) => one.length !== 3 * size ** 2))
        throw new UsageError('an image has the wrong size', 'pass the result of preparePixels()');
      const runs: UnitRows[] = [];
      for (let from = 0; from < pixels.length; from += most) {
        const some = pixels.slice(from, from + most);
        // A GPU tunes itself again for each shape, so its last batch is padded.
        const rows = provider === 'cpu' ? some.length : Math.max(batch, some.length);
        runs.push(l2Normalize(await runImageGraph(session, wiring, some, size, rows)));
      }
      return stack(runs);
    },
    release: () => session.release(),
  };
}

/** Resizes, crops and normalises an image for the image graph. */
export async function preparePixels({ preprocessing, graphs }: Preparing, image: RgbImage): Promise<Pixels> {
  const { wiring } = (await graphs()).image;
  const crop = fitImage(image, preprocessing);
  return wiring.image.pixels === 'bytes' ? Uint8Array.from(crop.data) : normalize(crop, preprocessing);
}
