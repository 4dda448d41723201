// One image with transformers.js, as a process of its own: node one-image.mjs <model folder> <image> <labels...>
import { basename, dirname } from 'node:path';
import { env, pipeline } from '@huggingface/transformers';

const [folder, image, ...labels] = process.argv.slice(2);
env.localModelPath = dirname(folder);
env.allowRemoteModels = false;
const classify = await pipeline('zero-shot-image-classification', basename(folder), { dtype: 'fp32' });
process.stdout.write(`${JSON.stringify(await classify(image, labels, { hypothesis_template: 'a photo of a {}' }))}\n`);
