import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { readModelJson } from '../checkpoint/config.ts';
import { withHuggingFaceNames } from '../checkpoint/layout.ts';
import { fromOpenClipConfig } from '../checkpoint/open-clip.ts';
import { type Checkpoint, readCheckpoint } from '../checkpoint/safetensors.ts';
import { ModelError } from '../errors.ts';

/** A checkpoint and its configs, whatever the layout of the folder, in the terms of Hugging Face. */
export interface ModelFolder {
  readonly checkpoint: Checkpoint;
  /** As config.json has it. */
  readonly config: Readonly<Record<string, unknown>>;
  /** As preprocessor_config.json has it. */
  readonly preprocessor: Readonly<Record<string, unknown>>;
}

/**
 * Reads a folder in the layout of Hugging Face (model.safetensors, config.json, preprocessor_config.json) or, where that
 * is not there, of open_clip (open_clip_model.safetensors, open_clip_config.json).
 *
 * @throws ModelError naming what is missing or damaged
 */
export async function readModelFolder(folder: string): Promise<ModelFolder> {
  if (await exists(join(folder, 'model.safetensors'))) {
    return {
      checkpoint: withHuggingFaceNames(await readCheckpoint(join(folder, 'model.safetensors'))),
      config: await readModelJson(folder, 'config.json'),
      preprocessor: await readModelJson(folder, 'preprocessor_config.json'),
    };
  }
  const openClip = await openClipWeights(folder);
  if (openClip !== undefined) {
    return {
      checkpoint: withHuggingFaceNames(await readCheckpoint(openClip)),
      ...fromOpenClipConfig(await readModelJson(folder, 'open_clip_config.json'), folder),
    };
  }
  throw nothingToRun(folder);
}

/** Whether a folder holds a checkpoint in one of the two layouts. */
export async function holdsCheckpoint(folder: string): Promise<boolean> {
  return (await exists(join(folder, 'model.safetensors'))) || (await openClipWeights(folder)) !== undefined;
}

/** open_clip has saved its weights under two names. */
async function openClipWeights(folder: string): Promise<string | undefined> {
  for (const name of ['open_clip_model.safetensors', 'open_clip_pytorch_model.safetensors'])
    if (await exists(join(folder, name))) return join(folder, name);
  return undefined;
}

export function nothingToRun(folder: string): ModelError {
  return new ModelError(
    `${folder} contains no model.safetensors and no ONNX files`,
    'use the folder of a CLIP model of Hugging Face or open_clip (pickled weights such as pytorch_model.bin are never loaded)',
  );
}

/** Whether there is a file or folder that may be looked at. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
