import { basename, dirname } from 'node:path';
import { env, pipeline } from '@huggingface/transformers';
import { hundredLabels, TEMPLATE, TWO_LABELS } from '../labels.ts';
import { serveSide } from './side.ts';

export interface TransformersSetup {
  readonly folder: string;
  readonly photos: readonly string[];
  /** How many of them are asked about with a hundred labels, which takes long. */
  readonly few: number;
}

/** transformers.js as its documentation shows it: one pipeline, an image a call. */
serveSide(async ({ folder, photos, few }: TransformersSetup) => {
  env.localModelPath = dirname(folder);
  env.allowRemoteModels = false;
  const classify = await pipeline('zero-shot-image-classification', basename(folder), { dtype: 'fp32' });
  const all = async (paths: readonly string[], labels: string[]) => {
    for (const path of paths) await classify(path, labels, { hypothesis_template: TEMPLATE });
  };
  return {
    images: () => all(photos, TWO_LABELS),
    'hundred labels': () => all(photos.slice(0, few), hundredLabels(0)),
  };
});
