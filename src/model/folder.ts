import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readModelJson } from '../checkpoint/config.ts';
import { withHuggingFaceNames } from '../checkpoint/layout.ts';
import { fromOpenClipConfig } from '../checkpoint/open-clip.ts';
import { type Checkpoint, isRecord, readCheckpoint } from '../checkpoint/safetensors.ts';
import { readShards } from '../checkpoint/shards.ts';
import { ModelError } from '../errors.ts';
import { refuseByConfig, whatIsThere } from './foreign.ts';
import { imageFolder, readModules, withSentenceEncoder } from './sentence-transformers.ts';

type Fields = Readonly<Record<string, unknown>>;

/** A checkpoint and its configs in the terms of Hugging Face, for any layout of the folder. */
export interface ModelFolder {
  readonly checkpoint: Checkpoint;
  /** The fields of config.json. */
  readonly config: Fields;
  /** The fields of preprocessor_config.json. */
  readonly preprocessor: Fields;
  /** The library whose conventions apply: where a crop begins, how texts are cleaned. */
  readonly library: 'transformers' | 'open_clip';
}

/** Both are names that open_clip's own loader takes. */
const OPEN_CLIP = ['open_clip_model.safetensors', 'open_clip_pytorch_model.safetensors'] as const;
/** A checkpoint in the layout of transformers: whole or the index of its shards, first those without a variant such as fp16. */
const TRANSFORMERS = [
  /^model\.safetensors$/u,
  /^model\.safetensors\.index\.json$/u,
  /^model\.\w+\.safetensors$/u,
  /^model\.safetensors\.index\.\w+\.json$/u,
] as const;

/**
 * Reads a folder in the layout of transformers (model.safetensors or its shards, config.json, and processor_config.json or
 * the older preprocessor_config.json) or of open_clip (open_clip_model.safetensors, open_clip_config.json).
 *
 * @param folder one that {@link checkpointFolder} found
 * @throws ModelError naming what is missing or damaged
 */
export async function readModelFolder(folder: string): Promise<ModelFolder> {
  const names = await readdir(folder);
  const config = names.includes('config.json') ? await readModelJson(folder, 'config.json') : undefined;
  const modules = names.includes('modules.json') ? await readModules(folder, config) : undefined;
  if (modules !== undefined) {
    const clip = await readModelFolder(await imageFolder(folder));
    return { ...clip, ...(await withSentenceEncoder(folder, modules, clip)) };
  }
  const weights = weightsIn(names);
  const openClip = OPEN_CLIP.find((name) => names.includes(name));
  // A mirror of timm has both: its own image encoder as model.safetensors, and the whole CLIP for open_clip.
  if (openClip !== undefined && (weights === undefined || isTimm(config))) {
    const checkpoint = withHuggingFaceNames(await readCheckpoint(join(folder, openClip)));
    const terms = fromOpenClipConfig(await readModelJson(folder, 'open_clip_config.json'), folder);
    return { checkpoint, ...terms, library: 'open_clip' };
  }
  if (config !== undefined) refuseByConfig(config, folder);
  const file = weights ?? 'model.safetensors';
  const stored = await (file.endsWith('.json') ? readShards(folder, file) : readCheckpoint(join(folder, file)));
  const library = [...stored.tensors.keys()].some((name) => name.startsWith('visual.')) ? 'open_clip' : 'transformers';
  const terms = wholeSections(config ?? (await readModelJson(folder, 'config.json')));
  const masks = library === 'transformers' && makesMask(await readTokenizerConfig(folder, names));
  return {
    checkpoint: withHuggingFaceNames(stored),
    config: masks ? { ...terms, text_config: { ...Object(terms['text_config']), masks_padding: true } } : terms,
    preprocessor: await readImageProcessor(folder, names),
    library,
  };
}

/** Exports of 2022 have a section twice. transformers then takes `text_config_dict`, and its own default for a missing field. */
function wholeSections(config: Fields): Fields {
  const whole = ['text_config', 'vision_config']
    .map((section) => [section, config[`${section}_dict`]] as const)
    .filter(([, fields]) => isRecord(fields));
  return { ...config, ...Object.fromEntries(whole) };
}

/** tokenizer_config.json; empty if there is none. */
export async function readTokenizerConfig(folder: string, names?: readonly string[]): Promise<Fields> {
  const file = 'tokenizer_config.json';
  return (names ?? (await readdir(folder))).includes(file) ? readModelJson(folder, file) : {};
}

/** The `image_processor` of processor_config.json, or preprocessor_config.json. If there are both, transformers 5 takes the first. */
export async function readImageProcessor(folder: string, names: readonly string[]): Promise<Fields> {
  if (names.includes('processor_config.json')) {
    const { image_processor: processor } = await readModelJson(folder, 'processor_config.json');
    if (isRecord(processor)) return processor;
  }
  if (names.includes('preprocessor_config.json')) return readModelJson(folder, 'preprocessor_config.json');
  throw new ModelError(
    `${folder} does not say how images are prepared: it has neither preprocessor_config.json nor processor_config.json`,
    'copy the file of the model into the folder',
  );
}

/**
 * The folder of the checkpoint: this folder, or the inner folder of sentence-transformers.
 *
 * @returns undefined if there is none
 */
export async function checkpointFolder(folder: string): Promise<string | undefined> {
  const names: string[] = await readdir(folder).catch(() => []);
  if (weightsIn(names) !== undefined || OPEN_CLIP.some((name) => names.includes(name))) return folder;
  const inner = names.includes('modules.json') && names.find((name) => /^0_/u.test(name));
  return inner ? checkpointFolder(join(folder, inner)) : undefined;
}

function weightsIn(names: readonly string[]): string | undefined {
  return TRANSFORMERS.map((pattern) => names.find((name) => pattern.test(name))).find((name) => name !== undefined);
}

/** @throws ModelError that says what the folder holds instead of a model */
export async function nothingToRun(folder: string): Promise<ModelError> {
  return whatIsThere(folder, await readdir(folder).catch(() => []));
}

/** Whether transformers' tokenizer makes an attention mask, so that padding is not seen. */
export function makesMask(tokenizer: Fields): boolean {
  const names = tokenizer['model_input_names'];
  return !Array.isArray(names) || names.includes('attention_mask');
}

/** timm's config.json names an architecture of its own where transformers' has a model_type. */
function isTimm(config: Fields | undefined): boolean {
  return typeof config?.['architecture'] === 'string' && config['model_type'] === undefined;
}
