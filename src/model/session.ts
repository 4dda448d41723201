import * as ort from 'onnxruntime-node';
import { ModelError, messageOf } from '../errors.ts';
import type { Matrix } from '../tensor.ts';

/** A graph, ready to run: one input, one output, `[B, …] → [B, D]`. */
export interface Session {
  /** @param shape of the input; its first number is B */
  run(data: Float32Array | BigInt64Array, shape: readonly number[]): Promise<Matrix>;
  release(): Promise<void>;
}

export interface SessionOptions {
  /** Threads of one inference. */
  readonly threads: number;
}

/**
 * Opens a graph whose weights lie in a file of `folder`. onnxruntime refuses external data that a link carries out of
 * the model's folder; naming the real folder lets the graph itself live elsewhere, or only in memory.
 *
 * @throws ModelError if onnxruntime does not accept the graph or cannot read the weights
 */
export async function openSession(graph: Uint8Array, folder: string, { threads }: SessionOptions): Promise<Session> {
  let session: ort.InferenceSession;
  try {
    session = await ort.InferenceSession.create(graph, {
      executionProviders: ['cpu'],
      // Both are said, or onnxruntime pins threads to cores and complains where a container forbids it.
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
      extra: { session: { model_external_initializers_file_folder_path: folder } },
    });
  } catch (error) {
    throw new ModelError(
      `onnxruntime cannot open the model in ${folder}: ${messageOf(error)}`,
      'fetch or export the model again',
      error,
    );
  }
  const [input, output] = [session.inputNames[0] as string, session.outputNames[0] as string];
  return {
    async run(data, shape) {
      const tensor =
        data instanceof BigInt64Array ? new ort.Tensor('int64', data, shape) : new ort.Tensor('float32', data, shape);
      const results = await session.run({ [input]: tensor });
      const result = results[output] as ort.Tensor;
      const [rows = 0, columns = 0] = result.dims;
      return { rows, columns, data: result.data as Float32Array };
    },
    release: () => session.release(),
  };
}
