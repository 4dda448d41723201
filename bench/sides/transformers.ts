import { basename, dirname } from 'node:path';
import { env, pipeline } from '@huggingface/transformers';
import { TEMPLATE } from '../labels.ts';
import { serveSide } from './side.ts';
import type { Task, Tasks } from './task.ts';

export interface TransformersSetup {
  readonly folder: string;
  readonly tasks: Tasks;
}

/** transformers.js as its documentation shows it: one pipeline, an image a call. */
serveSide(async ({ folder, tasks }: TransformersSetup) => {
  env.localModelPath = dirname(folder);
  env.allowRemoteModels = false;
  const classify = await pipeline('zero-shot-image-classification', basename(folder), { dtype: 'fp32' });
  const all = async ({ photos, labels }: Task) => {
    for (const path of photos) await classify(path, [...labels], { hypothesis_template: TEMPLATE });
  };
  return Object.fromEntries(Object.entries(tasks).map(([name, task]) => [name, () => all(task)]));
});
