import { ModelError } from '../errors.ts';

export type Fields = Readonly<Record<string, unknown>>;

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
    'nonscalar_logit_scale',
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

/** A section of open_clip_config.json. @throws ModelError naming a field that stands for an architecture that is not supported */
export function section(fields: Fields, name: string, folder: string): Fields {
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

/** What all of open_clip's own transformers say. */
export function blockTerms(fields: Fields, quickGelu: boolean): Fields {
  const tanh = Object(fields['act_kwargs'])['approximate'] === 'tanh';
  return {
    hidden_act: quickGelu ? 'quick_gelu' : tanh ? 'gelu_pytorch_tanh' : 'gelu',
    hidden_size: fields['width'],
    layer_norm_eps: Object(fields['norm_kwargs'])['eps'] ?? 1e-5, // PyTorch's own
  };
}
