import { ModelError } from '../errors.ts';

type Fields = Readonly<Record<string, unknown>>;

/** The fields of open_clip's model_cfg that the exporter understands; another one means another architecture. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  model_cfg: [
    'embed_dim',
    'quick_gelu',
    'vision_cfg',
    'text_cfg',
    'init_logit_scale',
    'init_logit_bias',
    'multimodal_cfg',
  ],
  vision_cfg: ['image_size', 'layers', 'width', 'head_width', 'patch_size', 'mlp_ratio'],
  text_cfg: [
    'context_length',
    'vocab_size',
    'width',
    'heads',
    'layers',
    'mlp_ratio',
    'hf_tokenizer_name',
    'tokenizer_kwargs',
  ],
};

/** Pillow's resampling constants. */
const RESAMPLE: ReadonlyMap<unknown, number> = new Map([
  ['bilinear', 2],
  ['bicubic', 3],
]);

/** open_clip's default (open_clip/model.py, CLIPVisionCfg). */
const DEFAULT_HEAD_WIDTH = 64;

/**
 * Puts open_clip_config.json into the terms of Hugging Face's configs.
 *
 * @throws ModelError naming a field that stands for an architecture that is not supported
 */
export function fromOpenClipConfig(
  root: Fields,
  folder: string,
): { readonly config: Fields; readonly preprocessor: Fields } {
  const model = section(root, 'model_cfg', folder);
  const vision = section(model, 'vision_cfg', folder);
  const text = section(model, 'text_cfg', folder);
  const hidden_act = model['quick_gelu'] === true ? 'quick_gelu' : 'gelu';
  return {
    config: {
      projection_dim: model['embed_dim'],
      vision_config: {
        hidden_act,
        hidden_size: vision['width'],
        num_hidden_layers: vision['layers'],
        num_attention_heads: Number(vision['width']) / Number(vision['head_width'] ?? DEFAULT_HEAD_WIDTH),
        image_size: vision['image_size'],
        patch_size: vision['patch_size'],
      },
      text_config: {
        hidden_act,
        hidden_size: text['width'],
        num_hidden_layers: text['layers'],
        num_attention_heads: text['heads'],
        vocab_size: text['vocab_size'],
        max_position_embeddings: text['context_length'],
        eos_token_id: 2, // the greatest id is pooled, as open_clip does
      },
    },
    preprocessor: preprocessorOfOpenClip(section(root, 'preprocess_cfg', folder), vision['image_size'], folder),
  };
}

/** Puts open_clip's preprocess_cfg into the terms of Hugging Face's preprocessor_config.json. */
export function preprocessorOfOpenClip(prepare: Fields, imageSize: unknown, folder: string): Fields {
  const side = imageSize ?? (Array.isArray(prepare['size']) ? prepare['size'][0] : prepare['size']);
  return {
    image_mean: prepare['mean'],
    image_std: prepare['std'],
    resample: RESAMPLE.get(prepare['interpolation'] ?? 'bicubic') ?? prepare['interpolation'],
    size: sizeOf(prepare, side, folder),
  };
}

function sizeOf(prepare: Fields, side: unknown, folder: string): Fields {
  switch (prepare['resize_mode'] ?? 'shortest') {
    case 'shortest':
      return { shortest_edge: side };
    case 'squash':
      return { height: side, width: side };
    default:
      throw new ModelError(
        `resize_mode of the preprocessing in ${folder} is ${JSON.stringify(prepare['resize_mode'])}`,
        'supported values: shortest, squash',
      );
  }
}

function section(fields: Fields, name: string, folder: string): Fields {
  const value = fields[name] ?? {};
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new ModelError(
      `${name} in open_clip_config.json (${folder}) is not an object`,
      'use the config of these weights',
    );
  }
  const unknown = Object.keys(value).find((key) => KNOWN[name] !== undefined && !KNOWN[name].includes(key));
  if (unknown !== undefined) {
    throw new ModelError(
      `${name} in open_clip_config.json (${folder}) has the field ${unknown}`,
      'only plain ViT and text transformer models of open_clip are supported',
    );
  }
  return { ...value };
}
