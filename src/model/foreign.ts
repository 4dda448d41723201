import { ModelError } from '../errors.ts';

type Fields = Readonly<Record<string, unknown>>;

const SUPPORTED =
  'supported are CLIP, SigLIP, MetaCLIP 2, Chinese-CLIP and VisionTextDualEncoder of transformers, and the CLIPs of open_clip';

/** Model types of transformers with both encoders of a CLIP. Other types are other architectures. */
const KNOWN_TYPES: readonly unknown[] = [
  'clip',
  'siglip',
  'metaclip_2',
  'chinese_clip',
  'vision-text-dual-encoder',
  'clip_classify_starter',
];

/** Class names and model types that mean one encoder only. */
const HALVES: readonly (readonly [pattern: RegExp, half: string])[] = [
  [/^(CLIP|Siglip|ChineseCLIP|MetaClip2)VisionModel|^(clip|siglip|metaclip_2)_vision_model$/u, 'image encoder'],
  [/^(CLIP|Siglip|ChineseCLIP|MetaClip2)TextModel|^(clip|siglip|metaclip_2)_text_model$/u, 'text encoder'],
];

/**
 * Refuses a config.json of another architecture, before the tensors are read.
 *
 * @throws ModelError naming the architecture
 */
export function refuseByConfig(config: Fields, folder: string): void {
  const type = config['model_type'];
  const architecture = Array.isArray(config['architectures']) ? config['architectures'][0] : undefined;
  const name = String(architecture ?? type ?? '');
  if (typeof config['architecture'] === 'string' && type === undefined) {
    throw new ModelError(
      `${folder} holds an image encoder of timm only (${config['architecture']}), and no text encoder`,
      SUPPORTED,
    );
  }
  const half = HALVES.find(([pattern]) => pattern.test(name) || pattern.test(String(type)))?.[1];
  if (half !== undefined) {
    throw new ModelError(`${folder} holds the ${half} only (${name})`, 'use a checkpoint with both encoders');
  }
  if (type === 'siglip2') {
    throw new ModelError(
      `${folder} holds a SigLIP 2 of the NaFlex kind, whose image size varies; it is not supported`,
      'use a SigLIP 2 of a fixed image size, such as google/siglip2-base-patch16-224',
    );
  }
  if (type === 'vision-text-dual-encoder') refusePair(config, folder);
  const isHeaded = /For(?!ZeroShot)[A-Z]\w+$/u.test(name);
  if (type !== undefined && (isHeaded || !KNOWN_TYPES.includes(type))) {
    throw new ModelError(`${folder} holds a ${name} (${String(type)}), which is not supported`, SUPPORTED);
  }
}

/** Image and text models that a VisionTextDualEncoderModel may be made of. */
const PAIRS = {
  vision_config: ['vit', 'clip', 'clip_vision_model', 'siglip_vision_model'],
  text_config: ['bert', 'roberta', 'xlm-roberta', 'camembert'],
} satisfies Readonly<Record<string, readonly unknown[]>>;

/** @throws ModelError naming the half of a VisionTextDualEncoderModel that is not supported */
function refusePair(config: Fields, folder: string): void {
  for (const [half, known] of Object.entries<readonly unknown[]>(PAIRS)) {
    const { model_type: type } = Object(config[half]);
    if (type === undefined || known.includes(type)) continue;
    throw new ModelError(
      `${folder} holds a VisionTextDualEncoderModel with a ${type}, which is not supported`,
      `supported are ${PAIRS.vision_config.join(', ')} as image encoder, and ${PAIRS.text_config.join(', ')} as text encoder`,
    );
  }
}

/** What a folder without a checkpoint and without ONNX graphs holds instead, and what to do about it. */
export function whatIsThere(folder: string, names: readonly string[]): ModelError {
  const refuse = (what: string, next: string) => new ModelError(`${folder} contains ${what}`, next);
  if (names.includes('adapter_config.json')) {
    return refuse(
      'a LoRA adapter, not a whole model',
      'merge it into its base model with peft (merge_and_unload), then save that with save_pretrained',
    );
  }
  if (names.includes('model_index.json')) {
    return refuse('a pipeline of diffusers, which has no image encoder of a CLIP', SUPPORTED);
  }
  const pickle = names.find((name) => /\.(bin|pt|pth|ckpt|pkl)$/u.test(name));
  if (pickle !== undefined) {
    return refuse(
      `${pickle}, a pickle: loading it could run any code, so it is never loaded`,
      `convert it where you trust it: ${conversionOf(pickle, folder)}`,
    );
  }
  return refuse('no model.safetensors and no ONNX files', `use the folder of a model; ${SUPPORTED}`);
}

/** The commands that write safetensors next to a pickle, with the library that wrote the pickle. */
function conversionOf(pickle: string, folder: string): string {
  if (pickle === 'pytorch_model.bin') {
    return `python -c "from transformers import AutoModel as M; M.from_pretrained('${folder}').save_pretrained('${folder}')"`;
  }
  if (pickle.startsWith('open_clip_')) {
    const [from, to] = [`${folder}/${pickle}`, `${folder}/open_clip_model.safetensors`];
    return `python -c "import torch, safetensors.torch as s; w = torch.load('${from}', map_location='cpu', weights_only=True); s.save_file({k: v.clone() for k, v in w.items()}, '${to}')"`;
  }
  return `load it with open_clip (create_model with its architecture, pretrained='${folder}/${pickle}') and write the folder with open_clip.push_to_hf_hub.save_for_hf; models list shows models that can be downloaded instead`;
}
