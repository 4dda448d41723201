import type { ModelCard } from '../hub/registry.ts';

/** Names and shapes of tensors. */
export type Shapes = readonly (readonly [name: string, shape: readonly number[]])[];

/** The image encoder's tensors; a ViT has the names of Hugging Face, a ResNet those of OpenAI. */
export function imageTensors({ family, preprocessing, shape: { image, embedding } }: ModelCard): Shapes {
  if (image.kind === 'resnet') return resNet(image, preprocessing.size, embedding);
  const { width, mlpWidth, layers, patch } = image;
  const model = 'vision_model';
  const embeddings = `${model}.embeddings`;
  const patches = Math.floor(preprocessing.size / patch) ** 2;
  const shared: Shapes = [
    [`${embeddings}.patch_embedding.weight`, [width, 3, patch, patch]],
    ...blocks(model, width, mlpWidth, layers),
    ...norm(`${model}.post_layernorm`, width),
  ];
  if (family === 'siglip')
    return [
      ...shared,
      [`${embeddings}.patch_embedding.bias`, [width]],
      [`${embeddings}.position_embedding.weight`, [patches, width]],
      [`${model}.head.probe`, [1, 1, width]],
      ...attention(`${model}.head.attention`, width),
      ...norm(`${model}.head.layernorm`, width),
      ...mlp(`${model}.head.mlp`, width, mlpWidth),
      ['logit_bias', [1]],
    ];
  return [
    ...shared,
    [`${embeddings}.class_embedding`, [width]],
    [`${embeddings}.position_embedding.weight`, [patches + 1, width]],
    ...norm(`${model}.pre_layrnorm`, width),
    ['visual_projection.weight', [embedding, width]],
  ];
}

function resNet(
  { width, layers }: { readonly width: number; readonly layers: readonly number[] },
  size: number,
  embedding: number,
): Shapes {
  const model = 'visual';
  let inputs = width;
  const bottlenecks = layers.flatMap((count, n) => {
    const narrow = width * 2 ** n;
    return Array.from({ length: count }, (_, b): Shapes => {
      const name = `${model}.layer${n + 1}.${b}`;
      const block = [
        ...convolution(`${name}.conv1`, `${name}.bn1`, [narrow, inputs, 1, 1]),
        ...convolution(`${name}.conv2`, `${name}.bn2`, [narrow, narrow, 3, 3]),
        ...convolution(`${name}.conv3`, `${name}.bn3`, [4 * narrow, narrow, 1, 1]),
        ...(b === 0
          ? convolution(`${name}.downsample.0`, `${name}.downsample.1`, [4 * narrow, inputs, 1, 1])
          : ([] as const)),
      ];
      inputs = 4 * narrow;
      return block;
    }).flat();
  });
  const pool = `${model}.attnpool`;
  return [
    ...convolution(`${model}.conv1`, `${model}.bn1`, [width / 2, 3, 3, 3]),
    ...convolution(`${model}.conv2`, `${model}.bn2`, [width / 2, width / 2, 3, 3]),
    ...convolution(`${model}.conv3`, `${model}.bn3`, [width, width / 2, 3, 3]),
    ...bottlenecks,
    [`${pool}.positional_embedding`, [Math.floor(size / 32) ** 2 + 1, inputs]],
    ...['q_proj', 'k_proj', 'v_proj'].flatMap((part) => linear(`${pool}.${part}`, inputs, inputs)),
    ...linear(`${pool}.c_proj`, embedding, inputs),
  ];
}

/** A convolution without a bias, and its batch normalisation. */
function convolution(name: string, batchNorm: string, shape: readonly [number, number, number, number]): Shapes {
  return [
    [`${name}.weight`, shape],
    ...norm(batchNorm, shape[0]),
    [`${batchNorm}.running_mean`, [shape[0]]],
    [`${batchNorm}.running_var`, [shape[0]]],
  ];
}

/** The text encoder's tensors, with the names of Hugging Face, and the logit scale. */
export function textTensors({ family, context, shape: { text, embedding } }: ModelCard): Shapes {
  if (text.kind !== 'transformer') return bert(text, embedding);
  const { width, mlpWidth, layers, vocabulary } = text;
  const model = 'text_model';
  return [
    [`${model}.embeddings.token_embedding.weight`, [vocabulary, width]],
    [`${model}.embeddings.position_embedding.weight`, [context, width]],
    ...blocks(model, width, mlpWidth, layers),
    ...norm(`${model}.final_layer_norm`, width),
    ...(family === 'siglip'
      ? linear(`${model}.head`, embedding, width)
      : ([['text_projection.weight', [embedding, width]]] as const)),
    ['logit_scale', [1]],
  ];
}

function bert(text: Extract<ModelCard['shape']['text'], { kind: 'bert' | 'xlm-roberta' }>, embedding: number): Shapes {
  const { kind, width, mlpWidth, layers, vocabulary, positions } = text;
  const model = 'text_model';
  const hidden = (width + embedding) / 2; // of open_clip's projection in two layers
  return [
    [`${model}.embeddings.token_embedding.weight`, [vocabulary, width]],
    [`${model}.embeddings.position_embedding.weight`, [positions, width]],
    [`${model}.embeddings.token_type_embeddings.weight`, [kind === 'bert' ? 2 : 1, width]],
    ...norm(`${model}.embeddings.norm`, width),
    ...blocks(model, width, mlpWidth, layers),
    ...(kind === 'bert'
      ? ([['text_projection.weight', [embedding, width]]] as const)
      : ([
          ['text_projection.0.weight', [hidden, width]],
          ['text_projection.2.weight', [embedding, hidden]],
        ] as const)),
    ['logit_scale', [1]],
  ];
}

function blocks(model: string, width: number, mlpWidth: number, layers: number): Shapes {
  return Array.from({ length: layers }, (_, n) => `${model}.encoder.layers.${n}`).flatMap((layer) => [
    ...attention(`${layer}.self_attn`, width),
    ...norm(`${layer}.layer_norm1`, width),
    ...mlp(`${layer}.mlp`, width, mlpWidth),
    ...norm(`${layer}.layer_norm2`, width),
  ]);
}

function attention(name: string, width: number): Shapes {
  return ['q_proj', 'k_proj', 'v_proj', 'out_proj'].flatMap((part) => linear(`${name}.${part}`, width, width));
}

function mlp(name: string, width: number, hidden: number): Shapes {
  return [...linear(`${name}.fc1`, hidden, width), ...linear(`${name}.fc2`, width, hidden)];
}

function linear(name: string, rows: number, columns: number): Shapes {
  return [
    [`${name}.weight`, [rows, columns]],
    [`${name}.bias`, [rows]],
  ];
}

function norm(name: string, width: number): Shapes {
  return [
    [`${name}.weight`, [width]],
    [`${name}.bias`, [width]],
  ];
}
