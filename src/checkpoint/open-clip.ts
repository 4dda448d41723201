import { ModelError } from '../errors.ts';

type Fields = Readonly<Record<string, unknown>>;

/** What open_clip's configs say, in the terms of Hugging Face's. */
export interface OpenClipTerms {
  /** As config.json has it. */
  readonly config: Fields;
  /** As preprocessor_config.json has it. */
  readonly preprocessor: Fields;
}

/** The fields of open_clip's model_cfg that are understood, or change nothing; another one means another architecture. */
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
    ...['attentional_pool', 'attn_pooler_queries', 'attn_pooler_heads', 'ls_init_value'],
    ...['timm_model_name', 'timm_model_pretrained', 'timm_pool', 'timm_proj', 'timm_proj_bias'],
    ...['timm_drop', 'timm_drop_path'],
  ],
  text_cfg: [
    ...['context_length', 'vocab_size', 'width', 'heads', 'layers', 'mlp_ratio', 'pool_type', 'eos_id', 'pad_id'],
    ...['no_causal_mask', 'embed_cls', 'proj_bias', 'proj_type', 'output_tokens', 'act_kwargs', 'norm_kwargs'],
    ...['final_ln_after_pool', 'ls_init_value'],
    ...['hf_tokenizer_name', 'tokenizer_kwargs', 'hf_model_name', 'hf_model_pretrained'],
    ...['hf_pooler_type', 'hf_proj_type', 'hf_model_config'],
  ],
  tokenizer_kwargs: ['clean', 'strip_sep_token'],
};

/** Pillow's resampling constants. */
const RESAMPLE: ReadonlyMap<unknown, number> = new Map([
  ['bilinear', 2],
  ['bicubic', 3],
]);

/** open_clip's default (open_clip/model.py, CLIPVisionCfg). */
const DEFAULT_HEAD_WIDTH = 64;

/** Heads of timm's ViTs, which their tensors do not tell, by a part of the name. */
const TIMM_HEADS: readonly (readonly [part: string, heads: number])[] = [
  ['vit_base_', 12],
  ['vit_large_', 16],
  ['vit_so400m_', 16],
  ['vit_giantopt_', 16],
];

/** Image towers of timm that are run. */
const TIMM_MODELS =
  /^(vit_(base|large|so400m|giantopt)_\w+_siglip_\d+|convnext_(atto|femto|pico|nano|tiny|small|base|large|xlarge|xxlarge))$/u;

/** What open_clip takes from the name of a text model alone (its own config.json on the hub). */
const TEXT_MODELS: readonly (readonly [name: RegExp, terms: Fields | undefined])[] = [
  [/distil|albert|deberta|electra|mobilebert|modernbert|camembert-v2/iu, undefined],
  [/roberta-wwm/u, { model_type: 'bert', layer_norm_eps: 1e-12 }], // a BERT, whatever it is called
  [/xlm-roberta|xlm-v/u, { model_type: 'xlm-roberta', layer_norm_eps: 1e-5 }],
  [/roberta/u, { model_type: 'roberta', layer_norm_eps: 1e-5 }],
  [/bert|MiniLM/u, { model_type: 'bert', layer_norm_eps: 1e-12 }],
];

const POOLERS: ReadonlyMap<unknown, string> = new Map([
  ['mean_pooler', 'mean'],
  ['cls_pooler', 'pooler'],
  ['cls_last_hidden_state_pooler', 'class'],
]);

/** open_clip's tokenizers cut prompts here, whatever the text model takes. */
const DEFAULT_CONTEXT = 77;

/**
 * Puts open_clip_config.json into the terms of Hugging Face's configs.
 *
 * @throws ModelError naming a field that stands for an architecture that is not supported
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
      text_config: {
        ...(typeof text['hf_model_name'] === 'string' ? bertTerms(text, folder) : textTerms(text, quickGelu)),
        ...tokenizerTerms(text, folder),
      },
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
  const headWidth = Number(vision['head_width'] ?? DEFAULT_HEAD_WIDTH);
  const { layers } = vision;
  if (Array.isArray(layers)) {
    return {
      image_size: sideOf(vision['image_size']),
      num_attention_heads: (Number(vision['width']) * 32) / headWidth,
    };
  }
  return {
    ...blockTerms(vision, quickGelu),
    num_hidden_layers: layers,
    num_attention_heads: Number(vision['width']) / headWidth,
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
  const heads = /MiniLM-L(6|12)|base|wwm-ext$/u.test(name) ? 12 : name.includes('large') ? 16 : undefined;
  const own = { num_attention_heads: heads, ...section(text, 'hf_model_config', folder) };
  if (own.num_attention_heads === undefined) {
    throw new ModelError(
      `the text encoder of ${folder} is ${name}, whose number of attention heads is not known`,
      'add "hf_model_config": { "num_attention_heads": … } to text_cfg in open_clip_config.json',
    );
  }
  // open_clip's own default; null is the default of the architecture.
  const { hf_pooler_type: pooler = 'mean_pooler' } = text;
  const named = pooler ?? (terms['model_type'] === 'bert' ? 'cls_pooler' : 'mean_pooler');
  return {
    ...terms,
    pooling: POOLERS.get(named) ?? named,
    context_length: text['context_length'] ?? DEFAULT_CONTEXT,
    ...own,
  };
}

/** How open_clip cleans texts, by its own names (open_clip/tokenizer.py, get_clean_fn). */
const CLEANING: ReadonlyMap<unknown, string> = new Map([
  ['whitespace', 'open_clip'],
  ['lower', 'open_clip lower'],
  ['canonicalize', 'canonical'],
]);

/** How open_clip prepares texts: with a tokenizer of its own, padded with zeros, or with one of Hugging Face. */
function tokenizerTerms(text: Fields, folder: string): Fields {
  const isOwn = typeof text['hf_tokenizer_name'] !== 'string' || text['hf_tokenizer_name'] === '';
  const { clean = isOwn ? 'lower' : 'whitespace', strip_sep_token: strips = false } = section(
    text,
    'tokenizer_kwargs',
    folder,
  );
  const cleaning = CLEANING.get(clean);
  if (cleaning === undefined) {
    throw new ModelError(
      `clean in open_clip_config.json (${folder}) is ${JSON.stringify(clean)}`,
      `supported values: ${[...CLEANING.keys()].join(', ')}`,
    );
  }
  return { cleaning, pads_with: isOwn ? 0 : 'pad_token', strips_separator: strips === true };
}

function blockTerms(fields: Fields, quickGelu: boolean): Fields {
  const tanh = Object(fields['act_kwargs'])['approximate'] === 'tanh';
  return {
    hidden_act: quickGelu ? 'quick_gelu' : tanh ? 'gelu_pytorch_tanh' : 'gelu',
    hidden_size: fields['width'],
    layer_norm_eps: Object(fields['norm_kwargs'])['eps'],
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
  const isOn = (key: string) => ![undefined, null, false].includes(Object(value)[key]);
  const unknown = Object.keys(value).find((key) => KNOWN[name]?.includes(key) === false && isOn(key));
  if (unknown !== undefined) {
    throw new ModelError(
      `${name} in open_clip_config.json (${folder}) has the field ${unknown}, which is not supported`,
      "supported are open_clip's ViTs, ResNets and text transformers, and BERT and (XLM-)RoBERTa as text encoders",
    );
  }
  return { ...value };
}
