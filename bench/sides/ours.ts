import type { Resize } from '../../src/image/decode-options.ts';
import type { LoadOptions } from '../../src/index.ts';
import { TEMPLATE } from '../labels.ts';
import { library } from '../library.ts';
import { serveSide } from './side.ts';
import type { Task, Tasks } from './task.ts';

export interface OursSetup {
  readonly folder: string;
  readonly options: LoadOptions;
  readonly tasks: Tasks;
  /** @default 'exact' */
  readonly resize?: Resize;
  /** Whether labels differ from those of all turns before, so that none is cached. @default false */
  readonly newLabels?: boolean;
}

/** The whole pipeline: paths in, ranked labels out. */
serveSide(async ({ folder, options, tasks, resize = 'exact', newLabels = false }: OursSetup) => {
  const { createClassifier, loadModel } = await library();
  const clip = await loadModel(folder, options);
  let turn = 0;
  const classify = async ({ photos, labels }: Task) => {
    const own = newLabels ? labels.map((label) => `${label} ${turn}`) : labels;
    turn++;
    const classifier = await createClassifier(clip, own, { templates: [TEMPLATE] });
    for await (const result of classifier.classify(photos, { resize })) if (!result.ok) throw result.error;
  };
  for (const { photos } of Object.values(tasks).slice(0, 1)) await classify({ photos, labels: ['cat', 'dog'] });
  return Object.fromEntries(Object.entries(tasks).map(([name, task]) => [name, () => classify(task)]));
});
