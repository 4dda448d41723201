import type { Clip } from '../clip.ts';
import { packageVersion } from '../disk/package-version.ts';
import { Budget } from './budget.ts';
import type { Service } from './context.ts';
import { HeatMaps } from './heat-maps.ts';
import { LabelMemory } from './label-memory.ts';
import { Metrics } from './metrics.ts';
import { ModelHost } from './model-host.ts';
import { Pictures } from './pictures.ts';
import { ImageQueue } from './queue.ts';
import type { ServiceSettings } from './settings.ts';

/** The most images that are passed to the encoder at once. It fills its batches from them. */
const AHEAD = 64;

/**
 * Makes the service of a model, with its own labels encoded.
 *
 * @param load loads the model again after its worker processes have failed for good
 * @throws LabelsError or UsageError for labels of the service
 */
export async function createService(
  clip: Clip,
  load: () => Promise<Clip>,
  settings: ServiceSettings,
  isStopping: () => boolean,
): Promise<Service> {
  const { limits, log } = settings;
  const queue = new ImageQueue(limits.queue, AHEAD);
  const facts = { version: await packageVersion(), model: clip.name, dtype: clip.dtype };
  const pictures = new Pictures(limits.pictures);
  const metrics = new Metrics(facts, { queued: () => queue.length, kept: () => pictures.count });
  const host = new ModelHost(clip, load, (message) => {
    metrics.reload();
    log({ event: 'model loaded again', message });
  });
  const labels = new LabelMemory((prompts) => host.encodeLabels(prompts), limits.labelRows, limits.labels);
  const { labels: own, ...options } = settings.defaults ?? {};
  return {
    settings,
    host,
    labels,
    defaults: own === undefined ? undefined : await labels.classifier(clip, own, options, true),
    queue,
    pictures,
    heatMaps: new HeatMaps(settings.heatMaps),
    budget: new Budget(limits.bodiesBytes),
    metrics,
    isStopping,
  };
}
