import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeModel } from '../../src/model/describe.ts';
import { fixture } from '../paths.ts';

/** The rules are those of transformers 5.24: where two files or sections of a folder differ, which of them counts. */
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'folder-'));
  await cp(fixture('tiny-gelu-f16'), folder, { recursive: true });
});
afterEach(() => rm(folder, { recursive: true }));

const read = async (file: string) => JSON.parse(await readFile(join(folder, file), 'utf8'));
const write = (file: string, value: unknown) => writeFile(join(folder, file), JSON.stringify(value));
const describeFolder = () => describeModel(folder, { env: {} });

describe('a folder in which files contradict each other', () => {
  it('is read by text_config_dict and vision_config_dict, if config.json has them too', async () => {
    const { contents } = await describeFolder();
    const config = await read('config.json');
    const wrong = { ...config.text_config, hidden_act: 'relu', layer_norm_eps: 0.1 };
    await write('config.json', {
      ...config,
      text_config: wrong,
      text_config_dict: config.text_config,
      vision_config: null,
      vision_config_dict: config.vision_config,
    });
    const { contents: same } = await describeFolder();
    expect('architecture' in same && same.architecture).toEqual('architecture' in contents && contents.architecture);
  });

  it('is read by processor_config.json, if there is a preprocessor_config.json too', async () => {
    const { preprocessing } = await describeFolder();
    const processor = await read('preprocessor_config.json');
    await write('processor_config.json', { image_processor: { ...processor, image_mean: [0.1, 0.2, 0.3] } });
    expect((await describeFolder()).preprocessing).toEqual({ ...preprocessing, mean: [0.1, 0.2, 0.3] });
    await write('processor_config.json', { processor_class: 'CLIPProcessor' });
    expect((await describeFolder()).preprocessing).toEqual(preprocessing);
  });
});

describe('an image processor', () => {
  it('may have one number as mean and deviation of all channels', async () => {
    await write('preprocessor_config.json', {
      ...(await read('preprocessor_config.json')),
      image_mean: 0.45,
      image_std: 0.25,
    });
    expect((await describeFolder()).preprocessing).toMatchObject({ mean: [0.45, 0.45, 0.45], std: [0.25, 0.25, 0.25] });
  });

  it.each([{ longest_edge: 90 }, { height: 90, width: 80 }, { max_height: 80, max_width: 80 }])(
    'is refused with the size %j',
    async (size) => {
      await write('preprocessor_config.json', { ...(await read('preprocessor_config.json')), size });
      await expect(describeFolder()).rejects.toThrow(
        /size in the image processor's config .* is \{.*\}; supported are/,
      );
    },
  );
});

it('a ViT whose pooler has another activation than tanh is refused by name', async () => {
  await rm(folder, { recursive: true });
  await cp(fixture('peers/vit-bert'), folder, { recursive: true });
  const config = await read('config.json');
  await write('config.json', { ...config, vision_config: { ...config.vision_config, pooler_act: 'relu' } });
  await expect(describeFolder()).rejects.toThrow(/pooler_act in vision_config .* is "relu"; supported values: tanh/);
});
