import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { arch, platform } from 'node:process';
import * as ort from 'onnxruntime-node';
import { ModelError, messageOf, ProviderError } from '../errors.ts';
import type { Matrix } from '../tensor.ts';

/** A graph, ready to run: one input, one output, `[B, …] → [B, D]`. */
export interface Session {
  /** @param shape of the input; its first number is B */
  run(data: Float32Array | BigInt64Array, shape: readonly number[]): Promise<Matrix>;
  release(): Promise<void>;
}

/** Where and how a graph runs. */
export interface SessionOptions {
  /** Threads of one inference on the CPU. */
  readonly threads: number;
  /** An execution provider of onnxruntime, by its name there. */
  readonly provider: string;
  /** Which of several like devices. */
  readonly device: number;
}

// What goes wrong natively comes back as an exception; onnxruntime would also write it to standard error, in colour.
ort.env.logLevel = 'fatal';

/** The folder of onnxruntime's native libraries, and the script of its package that fetches those for CUDA. */
export function runtimeFiles(): { readonly folder: string; readonly installScript: string } {
  const root = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  const api = readdirSync(join(root, 'bin')).find((name) => name.startsWith('napi-v')) ?? '';
  return { folder: join(root, 'bin', api, platform, arch), installScript: join(root, 'script', 'install.js') };
}

/** The version of onnxruntime. */
export function runtimeVersion(): string {
  return ort.env.versions.node ?? ort.env.versions.common;
}

/** The providers that onnxruntime was built with here; whether one runs is another question. */
export function builtInProviders(): string[] {
  return ort.listSupportedBackends().map(({ name }) => name);
}

/**
 * Opens a graph whose weights lie in a file of `folder`, on one provider: onnxruntime throws rather than falls back.
 * onnxruntime refuses external data that a link carries out of the model's folder; naming the real folder lets the graph
 * itself live elsewhere, or only in memory.
 *
 * @throws ProviderError if the provider cannot run here
 * @throws ModelError if onnxruntime does not accept the graph or cannot read the weights
 */
export async function openSession(graph: Uint8Array, folder: string, options: SessionOptions): Promise<Session> {
  const { threads, provider, device } = options;
  let session: ort.InferenceSession;
  try {
    session = await ort.InferenceSession.create(graph, {
      executionProviders: [provider === 'cuda' || provider === 'dml' ? { name: provider, deviceId: device } : provider],
      // Both are said, or onnxruntime pins threads to cores and complains where a container forbids it.
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      logSeverityLevel: 4,
      extra: { session: { model_external_initializers_file_folder_path: folder } },
    });
  } catch (error) {
    const message = messageOf(error);
    if (provider !== 'cpu')
      throw new ProviderError(`${provider} cannot run here: ${message}`, 'clip-classify doctor says why', error);
    throw new ModelError(
      `onnxruntime cannot open the model in ${folder}: ${message}`,
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
