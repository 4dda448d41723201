/** A tensor of the random checkpoint; its values are uniform in `centre ± reach`. */
export interface RandomTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly centre: number;
  readonly reach: number;
}

/** The shapes of CLIP ViT-B/32 (Radford et al. 2021, table 19 and 20). */
export const VIT_B_32 = {
  embedding: 512,
  image: { size: 224, patch: 32, width: 768, layers: 12, heads: 12, tokens: 50 },
  text: { vocabulary: 49408, context: 77, width: 512, layers: 12, heads: 8 },
} as const;

/**
 * Every tensor of Hugging Face's CLIPModel as a ViT-B/32, with the scales of PyTorch's own initialisation, so that
 * activations stay in a trained model's range.
 */
export function clipTensors(): RandomTensor[] {
  const { embedding, image, text } = VIT_B_32;
  const vision = 'vision_model';
  const language = 'text_model';
  return [
    spread(`${vision}.embeddings.class_embedding`, [image.width], 0.5),
    linear(`${vision}.embeddings.patch_embedding.weight`, [image.width, 3, image.patch, image.patch]),
    spread(`${vision}.embeddings.position_embedding.weight`, [image.tokens, image.width], 0.5),
    ...norm(`${vision}.pre_layrnorm`, image.width),
    ...blocks(vision, image.width, image.layers),
    ...norm(`${vision}.post_layernorm`, image.width),
    spread(`${language}.embeddings.token_embedding.weight`, [text.vocabulary, text.width], 0.5),
    spread(`${language}.embeddings.position_embedding.weight`, [text.context, text.width], 0.5),
    ...blocks(language, text.width, text.layers),
    ...norm(`${language}.final_layer_norm`, text.width),
    linear('visual_projection.weight', [embedding, image.width]),
    linear('text_projection.weight', [embedding, text.width]),
    { name: 'logit_scale', shape: [], centre: Math.log(100), reach: 0 },
  ];
}

function blocks(encoder: string, width: number, layers: number): RandomTensor[] {
  return Array.from({ length: layers }, (_, n) => `${encoder}.encoder.layers.${n}`).flatMap((layer) => [
    ...norm(`${layer}.layer_norm1`, width),
    ...['q_proj', 'k_proj', 'v_proj', 'out_proj'].flatMap((name) =>
      layerOf(`${layer}.self_attn.${name}`, width, width),
    ),
    ...norm(`${layer}.layer_norm2`, width),
    ...layerOf(`${layer}.mlp.fc1`, 4 * width, width),
    ...layerOf(`${layer}.mlp.fc2`, width, 4 * width),
  ]);
}

function layerOf(name: string, outputs: number, inputs: number): RandomTensor[] {
  return [linear(`${name}.weight`, [outputs, inputs]), spread(`${name}.bias`, [outputs], 0.05)];
}

function norm(name: string, width: number): RandomTensor[] {
  return [{ name: `${name}.weight`, shape: [width], centre: 1, reach: 0.17 }, spread(`${name}.bias`, [width], 0.17)];
}

/** PyTorch's nn.Linear and nn.Conv2d begin in ±1/√inputs. */
function linear(name: string, shape: readonly number[]): RandomTensor {
  return spread(name, shape, 1 / Math.sqrt(elements(shape.slice(1))));
}

function spread(name: string, shape: readonly number[], reach: number): RandomTensor {
  return { name, shape, centre: 0, reach };
}

export function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
