import type { Checkpoint, TensorEntry } from './safetensors.ts';

/** A pattern in the names of tensors and its replacement. A list is applied from top to bottom. */
type Renames = readonly (readonly [pattern: RegExp, replacement: string])[];

/** open_clip's ViT (open_clip/transformer.py) with the names of Hugging Face's CLIPModel. */
const OPEN_CLIP_VIT: Renames = [
  [/^visual\.class_embedding$/u, 'vision_model.embeddings.class_embedding'],
  [/^visual\.conv1\./u, 'vision_model.embeddings.patch_embedding.'],
  [/^visual\.positional_embedding$/u, 'vision_model.embeddings.position_embedding.weight'],
  [/^visual\.ln_pre\./u, 'vision_model.pre_layrnorm.'],
  [/^visual\.ln_post\./u, 'vision_model.post_layernorm.'],
  [/^visual\.proj$/u, 'visual_projection.weight'],
  [/^visual\.transformer\.resblocks\./u, 'vision_model.encoder.layers.'],
  [/^visual\.attn_pool\.attn\./u, 'vision_model.head.attention.'],
  [/^visual\.attn_pool\./u, 'vision_model.head.'],
];

/** timm's ViT inside open_clip, used by its SigLIPs. */
const TIMM_VIT: Renames = [
  [/^visual\.trunk\.patch_embed\.proj\./u, 'vision_model.embeddings.patch_embedding.'],
  [/^visual\.trunk\.pos_embed$/u, 'vision_model.embeddings.position_embedding.weight'],
  [/^visual\.trunk\.blocks\./u, 'vision_model.encoder.layers.'],
  [/^visual\.trunk\.norm\./u, 'vision_model.post_layernorm.'],
  [/^visual\.trunk\.attn_pool\.latent$/u, 'vision_model.head.probe'],
  [/^visual\.trunk\.attn_pool\.norm\./u, 'vision_model.head.layernorm.'],
  [/^visual\.trunk\.attn_pool\.mlp\./u, 'vision_model.head.mlp.'],
  [/^visual\.trunk\.attn_pool\.q\./u, 'vision_model.head.attention.q_proj.'],
  [/^visual\.trunk\.attn_pool\.proj\./u, 'vision_model.head.attention.out_proj.'],
  [/^visual\.trunk\.attn_pool\./u, 'vision_model.head.attention.'],
  [/^visual\.head\.proj\./u, 'visual_projection.'],
  [/\.norm1\./u, '.layer_norm1.'],
  [/\.norm2\./u, '.layer_norm2.'],
  [/\.attn\.proj\./u, '.self_attn.out_proj.'],
];

/** open_clip's text transformer; under `text.` if its config says custom_text. */
const OPEN_CLIP_TEXT: Renames = [
  [/^(text\.)?transformer\.resblocks\./u, 'text_model.encoder.layers.'],
  [/^(text\.)?token_embedding\./u, 'text_model.embeddings.token_embedding.'],
  [/^(text\.)?positional_embedding$/u, 'text_model.embeddings.position_embedding.weight'],
  [/^(text\.)?ln_final\./u, 'text_model.final_layer_norm.'],
  [/^(text\.)?text_projection$/u, 'text_projection.weight'],
  [/^text\.text_projection\./u, 'text_model.head.'],
  [/^text\.cls_emb$/u, 'text_model.embeddings.class_embedding'],
  [/^text\.transformer\./u, 'text_model.'], // a model of Hugging Face inside open_clip
  [/^text\.proj\./u, 'text_projection.'],
];

const OPEN_CLIP_BLOCKS: Renames = [
  [/\.ln_1\./u, '.layer_norm1.'],
  [/\.ln_2\./u, '.layer_norm2.'],
  [/\.attn\./u, '.self_attn.'],
  [/\.mlp\.c_fc\./u, '.mlp.fc1.'],
  [/\.mlp\.c_proj\./u, '.mlp.fc2.'],
];

/** Hugging Face's ViTModel, BertModel and XLMRobertaModel, in the names of its CLIPModel. */
const HUGGING_FACE: Renames = [
  [/^vision_model\.vision_model\./u, 'vision_model.'], // a CLIPVisionModel inside another model
  [/^vision_model\.embeddings\.cls_token$/u, 'vision_model.embeddings.class_embedding'],
  [/^vision_model\.embeddings\.position_embeddings$/u, 'vision_model.embeddings.position_embedding.weight'],
  [/^vision_model\.embeddings\.patch_embeddings\.projection\./u, 'vision_model.embeddings.patch_embedding.'],
  [/^vision_model\.layernorm\./u, 'vision_model.post_layernorm.'],
  [/\.layernorm_before\./u, '.layer_norm1.'],
  [/\.layernorm_after\./u, '.layer_norm2.'],
  [/^(text_model\.embeddings)\.word_embeddings\./u, '$1.token_embedding.'],
  [/^(text_model\.embeddings)\.position_embeddings\./u, '$1.position_embedding.'],
  [/^(text_model\.embeddings)\.LayerNorm\./u, '$1.norm.'],
  [/^((text|vision)_model\.encoder)\.layer\./u, '$1.layers.'],
  [/^text_model\.transformer\.layer\./u, 'text_model.encoder.layers.'], // DistilBertModel
  [/\.attention\.(q|k|v|out)_lin\./u, '.self_attn.$1_proj.'],
  [/\.sa_layer_norm\./u, '.layer_norm1.'],
  [/\.output_layer_norm\./u, '.layer_norm2.'],
  [/\.ffn\.lin([12])\./u, '.mlp.fc$1.'],
  [/\.attention\.(self|attention)\.(query|key|value)\./u, '.self_attn.$2.'],
  [/\.attention\.output\.dense\./u, '.self_attn.out_proj.'],
  [/\.attention\.output\.LayerNorm\./u, '.layer_norm1.'],
  [/\.intermediate\.dense\./u, '.mlp.fc1.'],
  [/\.output\.dense\./u, '.mlp.fc2.'],
  [/\.output\.LayerNorm\./u, '.layer_norm2.'],
  [/\.self_attn\.query\./u, '.self_attn.q_proj.'],
  [/\.self_attn\.key\./u, '.self_attn.k_proj.'],
  [/\.self_attn\.value\./u, '.self_attn.v_proj.'],
];

/** These are stored as `[in, out]` by open_clip: `x @ proj`. */
const TRANSPOSED: ReadonlySet<string> = new Set(['visual.proj', 'text_projection', 'text.text_projection']);

/**
 * The same tensors under the names of Hugging Face's CLIPModel, so that one reader works for all layouts. Nothing is copied: a stacked
 * `in_proj` of query, key and value becomes three views into its bytes, and a transposed projection is marked as transposed.
 */
export function withHuggingFaceNames(checkpoint: Checkpoint): Checkpoint {
  const prefix = commonPrefix([...checkpoint.tensors.keys()]);
  const plain = [...checkpoint.tensors.values()].map((entry) => ({ ...entry, name: entry.name.slice(prefix.length) }));
  const names = new Set(plain.map(({ name }) => name));
  const renames = [
    ...(names.has('visual.class_embedding') ? OPEN_CLIP_VIT : []),
    ...(names.has('visual.trunk.patch_embed.proj.weight') ? TIMM_VIT : []),
    ...OPEN_CLIP_TEXT,
    ...OPEN_CLIP_BLOCKS,
    ...HUGGING_FACE,
  ];
  const entries = plain
    .filter(({ name }) => !CAPTIONS.test(name))
    .map((entry) => rename(entry, renames))
    .flatMap(unstack);
  return checkpoint.withTensors(entries);
}

/** CoCa's decoder, which writes captions and is not needed for scores. */
const CAPTIONS = /^text_decoder\./u;

/** The prefixes that wrappers such as DataParallel added to the name of every tensor, one around the other. */
function commonPrefix(names: readonly string[]): string {
  const prefix = PREFIXES.find((one) => names.length > 0 && names.every((name) => name.startsWith(one)));
  return prefix === undefined ? '' : prefix + commonPrefix(names.map((name) => name.slice(prefix.length)));
}

const PREFIXES = ['module.', 'model.', 'clip.', 'clip_model.', '_orig_mod.'] as const;

function rename(entry: TensorEntry, renames: Renames): TensorEntry {
  const name = renames.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), entry.name);
  if (!TRANSPOSED.has(entry.name)) return { ...entry, name, shape: shapeOf(name, entry.shape) };
  return { ...entry, name, shape: [...entry.shape].reverse(), transposed: true };
}

/** Removes the leading batch dimensions of size 1 from class tokens and positions of ViTs. */
function shapeOf(name: string, shape: readonly number[]): readonly number[] {
  const own = name.endsWith('.class_embedding') ? 1 : name.endsWith('.position_embedding.weight') ? 2 : shape.length;
  return shape.slice(0, -own).every((size) => size === 1) ? shape.slice(-own) : shape;
}

const STACKED: readonly (readonly [pattern: RegExp, parts: readonly string[]])[] = [
  [/^(.*\.)in_proj_(weight|bias)$/u, ['q_proj', 'k_proj', 'v_proj']], // PyTorch's MultiheadAttention
  [/^(.*\.)qkv\.(weight|bias)$/u, ['q_proj', 'k_proj', 'v_proj']], // timm's blocks
  [/^(.*\.)kv\.(weight|bias)$/u, ['k_proj', 'v_proj']], // timm's attention pooling
];

/** `in_proj [3 · width, …]` and the like → query, key and value. */
function unstack(entry: TensorEntry): TensorEntry[] {
  const single = /^(.*\.[qkv]_proj)_weight$/u.exec(entry.name)?.[1]; // PyTorch's, if keys have a width of their own
  if (single !== undefined) return [{ ...entry, name: `${single}.weight` }];
  const [match, parts = []] =
    STACKED.map(([pattern, parts]) => [pattern.exec(entry.name), parts] as const).find(([found]) => found) ?? [];
  const [, prefix, kind] = match ?? [];
  const [rows = 0, ...rest] = entry.shape;
  if (prefix === undefined || rows % parts.length !== 0) return [entry];
  const bytes = entry.bytes / parts.length;
  return parts.map((projection, n) => ({
    ...entry,
    name: `${prefix}${projection}.${kind}`,
    shape: [rows / parts.length, ...rest],
    offset: entry.offset + n * bytes,
    bytes,
  }));
}
