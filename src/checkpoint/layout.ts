import { Checkpoint, type TensorEntry } from './safetensors.ts';

/** open_clip's names (open_clip/model.py, transformer.py), each with what Hugging Face calls it; tried in this order. */
const OPEN_CLIP_NAMES: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/^visual\.class_embedding$/u, 'vision_model.embeddings.class_embedding'],
  [/^visual\.conv1\./u, 'vision_model.embeddings.patch_embedding.'],
  [/^visual\.positional_embedding$/u, 'vision_model.embeddings.position_embedding.weight'],
  [/^visual\.ln_pre\./u, 'vision_model.pre_layrnorm.'],
  [/^visual\.ln_post\./u, 'vision_model.post_layernorm.'],
  [/^visual\.proj$/u, 'visual_projection.weight'],
  [/^visual\.transformer\.resblocks\./u, 'vision_model.encoder.layers.'],
  [/^(text\.)?transformer\.resblocks\./u, 'text_model.encoder.layers.'],
  [/^(text\.)?token_embedding\./u, 'text_model.embeddings.token_embedding.'],
  [/^(text\.)?positional_embedding$/u, 'text_model.embeddings.position_embedding.weight'],
  [/^(text\.)?ln_final\./u, 'text_model.final_layer_norm.'],
  [/^(text\.)?text_projection$/u, 'text_projection.weight'],
  [/\.ln_1\./u, '.layer_norm1.'],
  [/\.ln_2\./u, '.layer_norm2.'],
  [/\.attn\./u, '.self_attn.'],
  [/\.mlp\.c_fc\./u, '.mlp.fc1.'],
  [/\.mlp\.c_proj\./u, '.mlp.fc2.'],
];

/** These are stored as `[in, out]` by open_clip: `x @ proj`. */
const TRANSPOSED: readonly string[] = ['visual_projection.weight', 'text_projection.weight'];

/**
 * The same tensors under the names of Hugging Face, so that one reader serves all layouts. Nothing is copied: a stacked
 * `in_proj` of query, key and value becomes three views into its bytes, a transposed projection is marked as such.
 */
export function withHuggingFaceNames(checkpoint: Checkpoint): Checkpoint {
  const openClip = checkpoint.has('visual.conv1.weight');
  const entries = [...checkpoint.tensors.values()]
    .map((entry) => (openClip ? fromOpenClip(entry) : entry))
    .flatMap(unstack);
  return new Checkpoint(checkpoint.file, new Map(entries.map((entry) => [entry.name, entry])), checkpoint.header);
}

function fromOpenClip(entry: TensorEntry): TensorEntry {
  const name = OPEN_CLIP_NAMES.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), entry.name);
  if (!TRANSPOSED.includes(name)) return { ...entry, name };
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
