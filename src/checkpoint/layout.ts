import { Checkpoint, type TensorEntry } from './safetensors.ts';

/** A pattern in a tensor's name and what stands there instead; a list is applied from top to bottom. */
type Renames = readonly (readonly [pattern: RegExp, replacement: string])[];

/** open_clip's ViT (open_clip/transformer.py), in the names of Hugging Face's CLIPModel. */
const OPEN_CLIP_VIT: Renames = [
  [/^visual\.class_embedding$/u, 'vision_model.embeddings.class_embedding'],
  [/^visual\.conv1\./u, 'vision_model.embeddings.patch_embedding.'],
  [/^visual\.positional_embedding$/u, 'vision_model.embeddings.position_embedding.weight'],
  [/^visual\.ln_pre\./u, 'vision_model.pre_layrnorm.'],
  [/^visual\.ln_post\./u, 'vision_model.post_layernorm.'],
  [/^visual\.proj$/u, 'visual_projection.weight'],
  [/^visual\.transformer\.resblocks\./u, 'vision_model.encoder.layers.'],
];

/** open_clip's text transformer; under `text.` if its config says custom_text. */
const OPEN_CLIP_TEXT: Renames = [
  [/^(text\.)?transformer\.resblocks\./u, 'text_model.encoder.layers.'],
  [/^(text\.)?token_embedding\./u, 'text_model.embeddings.token_embedding.'],
  [/^(text\.)?positional_embedding$/u, 'text_model.embeddings.position_embedding.weight'],
  [/^(text\.)?ln_final\./u, 'text_model.final_layer_norm.'],
  [/^(text\.)?text_projection$/u, 'text_projection.weight'],
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

/** Hugging Face's BertModel and XLMRobertaModel, in the names of its CLIPTextModel. */
const BERT: Renames = [
  [/^(text_model\.embeddings)\.word_embeddings\./u, '$1.token_embedding.'],
  [/^(text_model\.embeddings)\.position_embeddings\./u, '$1.position_embedding.'],
  [/^(text_model\.embeddings)\.LayerNorm\./u, '$1.norm.'],
  [/^(text_model\.encoder)\.layer\./u, '$1.layers.'],
  [/\.attention\.self\.(query|key|value)\./u, '.self_attn.$1.'],
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
 * The same tensors under the names of Hugging Face's CLIPModel, so that one reader serves all layouts. Nothing is copied: a
 * stacked `in_proj` of query, key and value becomes three views into its bytes, a transposed projection is marked as such.
 */
export function withHuggingFaceNames(checkpoint: Checkpoint): Checkpoint {
  const renames = [
    ...(checkpoint.has('visual.class_embedding') ? OPEN_CLIP_VIT : []),
    ...OPEN_CLIP_TEXT,
    ...OPEN_CLIP_BLOCKS,
    ...BERT,
  ];
  const entries = [...checkpoint.tensors.values()].map((entry) => rename(entry, renames)).flatMap(unstack);
  return new Checkpoint(checkpoint.file, new Map(entries.map((entry) => [entry.name, entry])), checkpoint.header);
}

function rename(entry: TensorEntry, renames: Renames): TensorEntry {
  const name = renames.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), entry.name);
  if (!TRANSPOSED.has(entry.name)) return { ...entry, name };
  return { ...entry, name, shape: [...entry.shape].reverse(), transposed: true };
}

/** `in_proj [3 · width, …]`, as PyTorch's MultiheadAttention has it → its query, key and value parts. */
function unstack(entry: TensorEntry): TensorEntry[] {
  const [, prefix, kind] = /^(.*\.)in_proj_(weight|bias)$/u.exec(entry.name) ?? [];
  const [rows = 0, ...rest] = entry.shape;
  if (prefix === undefined || rows % 3 !== 0) return [entry];
  const bytes = entry.bytes / 3;
  return ['q_proj', 'k_proj', 'v_proj'].map((projection, n) => ({
    ...entry,
    name: `${prefix}${projection}.${kind}`,
    shape: [rows / 3, ...rest],
    offset: entry.offset + n * bytes,
    bytes,
  }));
}
