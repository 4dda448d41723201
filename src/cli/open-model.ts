import { type Clip, type LoadOptions, loadModel } from '../clip.ts';
import { UsageError } from '../errors.ts';
import { defaultModel } from '../model/default-model.ts';
import type { Amount } from './given-images.ts';
import type { Io } from './io.ts';
import { say } from './messages.ts';
import { cacheSettings } from './options/cache-options.ts';
import type { ModelOptions } from './options/model-options.ts';

/**
 * Loads the model of the options.
 *
 * @param amount how many images it will encode
 */
export function openModel(
  options: ModelOptions,
  amount: Amount,
  io: Pick<Io, 'env' | 'stderr' | 'interruption' | 'isWary'>,
  more: Pick<LoadOptions, 'publicUrls' | 'manyLabels'> = {},
): Promise<Clip> {
  const {
    model,
    batch,
    timeout,
    provider,
    device,
    dtype,
    logitScale,
    logitBias,
    threads,
    offline = false,
    perHost,
  } = options;
  if (device !== undefined && provider === 'cpu')
    throw new UsageError('--device chooses a GPU, but --provider is cpu', 'remove --device');
  return loadModel(model ?? defaultModel(io.env), {
    ...cacheSettings(options, io),
    env: io.env,
    provider,
    ...(device !== undefined && { device }),
    ...(dtype && { dtype }),
    batch,
    // A few lines of SVG can take minutes to draw.
    isolate: amount !== 'one' || options.allowSvg === true || io.isWary === true ? true : 'foreign',
    isWary: io.isWary ?? false,
    few: amount !== 'many',
    timeout,
    offline,
    ...(perHost && { perHost }),
    ...(!options.quiet && { onNote: (message: string) => say(io, 'note', message) }),
    signal: io.interruption,
    ...(logitScale !== undefined && { logitScale }),
    ...(logitBias !== undefined && { logitBias }),
    ...(threads && { threads }),
    ...more,
  });
}
