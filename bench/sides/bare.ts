import * as ort from 'onnxruntime-node';
import type { Dtype } from '../../src/model/choices.ts';
import { describing } from '../library.ts';
import { serveSide } from './side.ts';

/** As many images as a batch. */
export interface BareSetup {
  readonly folder: string;
  readonly images: number;
  readonly batch: number;
  readonly threads: number;
  readonly dtype?: Dtype;
}

/** Nothing but `session.run` of the graph that this package writes, on pixels that are there: the least that can be paid. */
serveSide(async ({ folder, images, batch, threads, dtype = 'fp32' }: BareSetup) => {
  const { graphs } = await (await describing()).describeModel(folder, { dtype });
  const { graph: source } = (await graphs()).image;
  const graph = typeof source === 'function' ? await source('cpu') : source;
  if ('path' in graph || !('folder' in graph.weights)) throw new Error(`${folder} is not a checkpoint`);
  const session = await ort.InferenceSession.create(graph.bytes, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    extra: { session: { model_external_initializers_file_folder_path: graph.weights.folder } },
  });
  const pixels = Float32Array.from({ length: batch * 3 * 224 * 224 }, (_, n) => Math.sin(n) * 2);
  return {
    async images() {
      for (let done = 0; done < images; done += batch) {
        const count = Math.min(batch, images - done);
        const data = pixels.subarray(0, count * 3 * 224 * 224);
        await session.run({ pixel_values: new ort.Tensor('float32', data, [count, 3, 224, 224]) });
      }
    },
  };
});
