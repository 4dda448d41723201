import { ModelError } from '../errors.ts';
import { blockTerms, type Fields, section } from './open-clip-fields.ts';
import { textEncoderTerms } from './open-clip-text.ts';

/** open_clip's config in the terms of Hugging Face's configs. */
export interface OpenClipTerms {
  /** The fields of config.json. */
  readonly config: Fields;
  /** The fields of preprocessor_config.json. */
  readonly preprocessor: Fields;
}

/** Pillow's resampling constants. */
const RESAMPLE: ReadonlyMap<unknown, number> = new Map([
  ['random', 3], // in training; open_clip classifies with bicubic
  ['bilinear', 2],
  ['bicubic', 3],
]);

/** open_clip's defaults (open_clip/model.py, CLIPVisionCfg). */
const [DEFAULT_WIDTH, DEFAULT_HEAD_WIDTH] = [768, 64] as const;

/** Heads of timm's ViTs by a part of the name, because the tensors do not show them. */
const TIMM_HEADS: readonly (readonly [part: string, heads: number])[] = [
  ['vit_base_', 12],
  ['vit_large_', 16],
  ['vit_so400m_', 16],
  ['vit_giantopt_', 16],
];

/** Image encoders of timm that are run. */
const TIMM_MODELS =
  /^(vit_(base|large|so400m|giantopt)_\w+_siglip_\d+|convnext_(atto|femto|pico|nano|tiny|small|base|large|xlarge|xxlarge))$/u;

/**
 * Converts open_clip_config.json to the terms of Hugging Face's configs.
 *
 * @throws ModelError naming a field of an unsupported architecture
 */
export function fromOpenClipConfig(root: Fields, folder: string): OpenClipTerms {
  const model = section(root, 'model_cfg', folder);
  const vision = section(model, 'vision_cfg', folder);
  const text = section(model, 'text_cfg', folder);
  const quickGelu = model['quick_gelu'] === true;
  return {
    config: {
      projection_dim: model['embed_dim'],
      vision_config:
        typeof vision['timm_model_name'] === 'string' ? timmTerms(vision, folder) : vitTerms(vision, quickGelu, folder),
      text_config: textEncoderTerms(text, quickGelu, folder),
    },
    preprocessor: preprocessorOfOpenClip(section(root, 'preprocess_cfg', folder), sideOf(vision['image_size']), folder),
  };
}

/** open_clip's own ViT, or its ResNet if it has a list of layers. */
function vitTerms(vision: Fields, quickGelu: boolean, folder: string): Fields {
  const { pool_type: pool = 'tok', attentional_pool: attentional } = vision;
  const isKnown = pool === 'tok' || (pool === 'avg' && !attentional);
  if (!isKnown || typeof attentional === 'string') {
    const said = typeof attentional === 'string' ? attentional : pool;
    throw new ModelError(
      `the pooling of the image encoder in ${folder} is ${JSON.stringify(said)}`,
      'supported values of pool_type: tok, and avg without attentional_pool',
    );
  }
  const { width = DEFAULT_WIDTH, head_width: headWidth = DEFAULT_HEAD_WIDTH, layers } = vision;
  const heads = (whole: number) => Math.floor(whole / Number(headWidth));
  if (Array.isArray(layers)) {
    return {
      image_size: sideOf(vision['image_size']),
      num_attention_heads: heads(Number(width) * 32),
    };
  }
  return {
    ...blockTerms(vision, quickGelu),
    num_hidden_layers: layers,
    num_attention_heads: heads(Number(width)),
    image_size: sideOf(vision['image_size']),
    patch_size: vision['patch_size'],
    pooling: vision['pool_type'] === 'avg' ? 'patch mean' : 'class',
    norm_before_pooling: vision['final_ln_after_pool'] !== true,
    pooling_heads: vision['attn_pooler_heads'] ?? 8,
  };
}

/** A size may be a list of equal sides. */
function sideOf(size: unknown): unknown {
  return Array.isArray(size) && size.length === 2 && size[0] === size[1] ? size[0] : size;
}

function timmTerms(vision: Fields, folder: string): Fields {
  const name = String(vision['timm_model_name']);
  if (!TIMM_MODELS.test(name)) {
    throw new ModelError(
      `the image encoder of ${folder} is ${name} of timm, which is not supported`,
      "supported are open_clip's ViTs and ResNets, and timm's SigLIP ViTs and ConvNeXt; EVA, FastViT (MobileCLIP), ViTamin and NaFlex are not",
    );
  }
  return {
    timm_model_name: name,
    image_size: sideOf(vision['image_size']),
    num_attention_heads: TIMM_HEADS.find(([part]) => name.startsWith(part))?.[1],
    hidden_act: name.startsWith('vit_giantopt_') ? 'gelu_pytorch_tanh' : 'gelu',
    layer_norm_eps: name === 'convnext_xxlarge' ? 1e-5 : 1e-6,
  };
}

/** Puts open_clip's preprocess_cfg into the terms of Hugging Face's preprocessor_config.json. */
export function preprocessorOfOpenClip(prepare: Fields, imageSize: unknown, folder: string): Fields {
  const side = imageSize ?? sideOf(prepare['size']);
  return {
    image_mean: prepare['mean'],
    image_std: prepare['std'],
    resample: RESAMPLE.get(prepare['interpolation'] ?? 'bicubic') ?? prepare['interpolation'],
    size: sizeOf(prepare, side, folder),
    ...(prepare['resize_mode'] === 'longest' && { fit: 'pad' }),
  };
}

function sizeOf(prepare: Fields, side: unknown, folder: string): Fields {
  switch (prepare['resize_mode'] ?? 'shortest') {
    case 'shortest':
      return { shortest_edge: side };
    case 'squash':
      return { height: side, width: side };
    case 'longest': {
      const { fill_color: fill = 0 } = prepare;
      if ([fill].flat().every((level) => level === 0)) return { longest_edge: side };
      throw new ModelError(
        `fill_color of the preprocessing in ${folder} is ${JSON.stringify(fill)}`,
        'supported is 0, which is black',
      );
    }
    default:
      throw new ModelError(
        `resize_mode of the preprocessing in ${folder} is ${JSON.stringify(prepare['resize_mode'])}`,
        'supported values: shortest, squash, longest',
      );
  }
}
