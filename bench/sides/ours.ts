import type { LoadOptions } from '../../src/index.ts';
import { hundredLabels, TEMPLATE, TWO_LABELS } from '../labels.ts';
import { library } from '../library.ts';
import { serveSide } from './side.ts';

export interface OursSetup {
  readonly folder: string;
  readonly photos: readonly string[];
  readonly options: LoadOptions;
}

/** The whole pipeline: paths in, ranked labels out. */
serveSide(async ({ folder, photos, options }: OursSetup) => {
  const { createClassifier, loadModel } = await library();
  const clip = await loadModel(folder, options);
  const twoLabels = await createClassifier(clip, TWO_LABELS, { templates: [TEMPLATE] });
  const all = async ({ classify }: typeof twoLabels) => {
    for await (const result of classify(photos)) if (!result.ok) throw result.error;
  };
  await all(twoLabels);
  let turn = 0;
  return {
    images: () => all(twoLabels),
    async 'hundred new labels'() {
      await all(await createClassifier(clip, hundredLabels(turn++), { templates: [TEMPLATE] }));
    },
  };
});
