import { ModelError } from '../errors.ts';

type Fields = Readonly<Record<string, unknown>>;

/** open_clip's config in the terms of Hugging Face's configs. */
export interface OpenClipTerms {
  /** The fields of config.json. */
  readonly config: Fields;
  /** The fields of preprocessor_config.json. */
  readonly preprocessor: Fields;
}

/** The fields of open_clip's model_cfg that are supported or have no effect. Any other field means another architecture. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  model_cfg: [
    'embed_dim',
    'quick_gelu',
    'custom_text',
    'vision_cfg',
    'text_cfg',
    'multimodal_cfg',
    'init_logit_scale',
    'init_logit_bias',
  ],
  vision_cfg: [
    ...['image_size', 'layers', 'width', 'head_width', 'patch_size', 'mlp_ratio', 'patch_dropout', 'pos_embed_type'],
    ...['pool_type', 'no_ln_pre', 'final_ln_after_pool', 'output_tokens', 'act_kwargs', 'norm_kwargs'],
    ...['attentional_pool', 'attn_pooler_queries', 'attn_pooler_heads'],
    ...['timm_model_name', 'timm_model_pretrained', 'timm_pool', 'timm_proj', 'timm_proj_bias'],
    ...['timm_drop', 'timm_drop_path'],
  ],
  text_cfg: [
    ...['context_length', 'vocab_size', 'width', 'heads', 'layers', 'mlp_ratio', 'pool_type', 'eos_id', 'pad_id'],
    ...['no_causal_mask', 'embed_cls', 'proj_bias', 'proj_type', 'output_tokens', 'act_kwargs', 'norm_kwargs'],
    ...['hf_tokenizer_name', 'tokenizer_kwargs', 'hf_model_name', 'hf_model_pretrained'],
    ...['hf_pooler_type', 'hf_proj_type', 'hf_model_config'],
  ],
};

/** Pillow's resampling constants. */
const RESAMPLE: ReadonlyMap<unknown, number> = new Map([
  ['bilinear', 2],
  ['bicubic', 3],
]);

/** open_clip's default (open_clip/model.py, CLIPVisionCfg). */
const DEFAULT_HEAD_WIDTH = 64;

/** Heads of timm's ViTs by a part of the name, because the tensors do not show them. */
const TIMM_HEADS: readonly (readonly [part: string, heads: number])[] = [
  ['vit_base_', 12],
  ['vit_large_', 16],
  ['vit_so400m_', 16],
  ['vit_giantopt_', 16],
];

/** The supported image encoders of timm. */
const TIMM_MODELS = /^(vit_\w+_siglip_\d+|convnext_(tiny|small|base|large|xlarge|xxlarge))$/u;

/** Hyper-parameters that open_clip gets only from the name of a text model (its config.json on the Hub). */
const TEXT_MODELS: readonly (readonly [name: RegExp, terms: Fields])[] = [
  [/xlm-roberta|xlm-v/u, { model_type: 'xlm-roberta', layer_norm_eps: 1e-5, pooling: 'mean' }],
  [/roberta/u, { model_type: 'roberta', layer_norm_eps: 1e-5, pooling: 'mean' }],
  [/bert|MiniLM/u, { model_type: 'bert', layer_norm_eps: 1e-12, pooling: 'pooler' }],
];

const POOLERS: ReadonlyMap<unknown, string> = new Map([
  ['mean_pooler', 'mean'],
  ['cls_pooler', 'pooler'],
  ['cls_last_hidden_state_pooler', 'class'],
]);

/** open_clip's tokenizers truncate prompts at this length, for any text model. */
const DEFAULT_CONTEXT = 77;

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
        typeof vision['timm_model_name'] === 'string' ? timmTerms(vision, folder) : vitTerms(vision, quickGelu),
      text_config: {
        ...(typeof text['hf_model_name'] === 'string' ? bertTerms(text, folder) : textTerms(text, quickGelu)),
        ...tokenizerTerms(text, folder),
      },
    },
    preprocessor: preprocessorOfOpenClip(section(root, 'preprocess_cfg', folder), vision['image_size'], folder),
  };
}

/** open_clip's own ViT, or its ResNet if it has a list of layers. */
function vitTerms(vision: Fields, quickGelu: boolean): Fields {
  const headWidth = Number(vision['head_width'] ?? DEFAULT_HEAD_WIDTH);
  const { layers } = vision;
  if (Array.isArray(layers)) {
    return { image_size: vision['image_size'], num_attention_heads: (Number(vision['width']) * 32) / headWidth };
  }
  return {
    ...blockTerms(vision, quickGelu),
    num_hidden_layers: layers,
    num_attention_heads: Number(vision['width']) / headWidth,
    image_size: vision['image_size'],
    patch_size: vision['patch_size'],
    pooling: vision['pool_type'] === 'avg' ? 'patch mean' : 'class',
    norm_before_pooling: vision['final_ln_after_pool'] !== true,
    pooling_heads: vision['attn_pooler_heads'] ?? 8,
  };
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
    image_size: vision['image_size'],
    num_attention_heads: TIMM_HEADS.find(([part]) => name.startsWith(part))?.[1],
    hidden_act: name.startsWith('vit_giantopt_') ? 'gelu_pytorch_tanh' : 'gelu',
    layer_norm_eps: name === 'convnext_xxlarge' ? 1e-5 : 1e-6,
  };
}

/** open_clip's own text transformer. */
function textTerms(text: Fields, quickGelu: boolean): Fields {
  return {
    ...blockTerms(text, quickGelu),
    num_hidden_layers: text['layers'],
    num_attention_heads: text['heads'],
    vocab_size: text['vocab_size'],
    attention: text['no_causal_mask'] === true ? 'full' : 'causal',
    pooling: text['pool_type'] ?? 'argmax',
    eos_token_id: text['pool_type'] === 'eos' ? text['eos_id'] : 2, // the greatest id is pooled
    pad_token_id: text['pad_id'],
  };
}

/** A text model of Hugging Face. */
function bertTerms(text: Fields, folder: string): Fields {
  const name = String(text['hf_model_name']);
  const [, terms] = TEXT_MODELS.find(([pattern]) => pattern.test(name)) ?? [];
  if (terms === undefined) {
    throw new ModelError(
      `the text encoder of ${folder} is ${name}, which is not supported`,
      'supported are BERT and (XLM-)RoBERTa',
    );
  }
  const pooling = POOLERS.get(text['hf_pooler_type']) ?? text['hf_pooler_type'];
  return {
    ...terms,
    ...(pooling === undefined ? {} : { pooling }),
    num_attention_heads: /MiniLM-L(6|12)|base/u.test(name) ? 12 : name.includes('large') ? 16 : undefined,
    context_length: text['context_length'] ?? DEFAULT_CONTEXT,
    ...section(text, 'hf_model_config', folder),
  };
}

/** How open_clip prepares texts: with its own tokenizer, padded with zeros, or with a tokenizer of Hugging Face. */
function tokenizerTerms(text: Fields, folder: string): Fields {
  if (typeof text['hf_tokenizer_name'] !== 'string') return { cleaning: 'open_clip', pads_with: 0 };
  const { clean = 'whitespace' } = section(text, 'tokenizer_kwargs', folder);
  return { cleaning: clean === 'canonicalize' ? 'canonical' : 'open_clip', pads_with: 'pad_token' };
}

function blockTerms(fields: Fields, quickGelu: boolean): Fields {
  const tanh = Object(fields['act_kwargs'])['approximate'] === 'tanh';
  return {
    hidden_act: quickGelu ? 'quick_gelu' : tanh ? 'gelu_pytorch_tanh' : 'gelu',
    hidden_size: fields['width'],
    layer_norm_eps: Object(fields['norm_kwargs'])['eps'],
  };
}

/** Converts open_clip's preprocess_cfg to the terms of Hugging Face's preprocessor_config.json. */
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
      `${name} in open_clip_config.json (${folder}) has the field ${unknown}, which is not supported`,
      "supported are open_clip's ViTs, ResNets and text transformers, and BERT and (XLM-)RoBERTa as text encoders",
    );
  }
  return { ...value };
}
