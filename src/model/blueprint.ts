import type { Architecture } from '../checkpoint/architecture.ts';
import { inferArchitecture } from '../checkpoint/infer.ts';
import { Checkpoint, type TensorEntry } from '../checkpoint/safetensors.ts';
import type { Env } from '../disk/environment.ts';
import { findCard, type ModelCard } from '../hub/registry.ts';
import type { Preprocessing } from '../image/preprocess.ts';
import type { Scoring } from './description.ts';
import { modelNames } from './find.ts';

/** A model whose weights are not downloaded: the names and shapes of its tensors. */
export interface Blueprint {
  readonly checkpoint: Checkpoint;
  readonly architecture: Architecture;
}

type Shapes = readonly (readonly [name: string, shape: readonly number[]])[];

/** Every tensor of a CLIP or SigLIP of a card's size, with the names of Hugging Face, and the architecture that they make. */
export function blueprint(card: ModelCard): Blueprint {
  const { shape, activation, context } = card;
  const shapes = [...imageTensors(card), ...textTensors(card)];
  const tensors = new Map(shapes.map(([name, sizes]) => [name, entry(name, sizes)]));
  const checkpoint = new Checkpoint(`${card.name}.safetensors`, tensors, new Uint8Array());
  const tower = (heads: number) => ({ num_attention_heads: heads, ...(activation && { hidden_act: activation }) });
  const config = {
    vision_config: { ...tower(shape.image.heads), image_size: card.preprocessing.size },
    text_config: { ...tower(shape.text.heads), max_position_embeddings: context },
  };
  return { checkpoint, architecture: inferArchitecture(checkpoint, config) };
}

/** The description of a model from its card, before it is downloaded. */
export interface CardDescription {
  readonly name: string;
  readonly contents: { readonly kind: 'checkpoint' } & Blueprint;
  readonly preprocessing: Preprocessing;
  readonly scoring: Scoring | undefined;
}

/** The description of a model from its card; undefined if there is no card, or the model is already downloaded. */
export async function describeCard(text: string, env: Env): Promise<CardDescription | undefined> {
  const card = await findCard(text);
  if (card === undefined || (await modelNames(env)).includes(card.name)) return undefined;
  const { size, fit, interpolation: filter, mean, std } = card.preprocessing;
  const { logitScale } = card.scoring;
  return {
    name: card.name,
    contents: { kind: 'checkpoint', ...blueprint(card) },
    preprocessing: { size, fit, resizeTo: size, rounding: 'down', filter, divisor: 255, mean, std },
    scoring: logitScale === null ? undefined : { logitScale },
  };
}

/** The number of parameters of both encoders. */
export function parametersOf({ checkpoint }: Pick<Blueprint, 'checkpoint'>): number {
  return [...checkpoint.tensors.values()].reduce((sum, { shape }) => sum + product(shape), 0);
}

function imageTensors({ family, preprocessing, shape: { image, embedding } }: ModelCard): Shapes {
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

function textTensors({ family, context, shape: { text, embedding } }: ModelCard): Shapes {
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

function entry(name: string, shape: readonly number[]): TensorEntry {
  return { name, dtype: 'F32', shape, offset: 0, bytes: product(shape) * Float32Array.BYTES_PER_ELEMENT };
}

function product(shape: readonly number[]): number {
  return shape.reduce((sum, size) => sum * size, 1);
}
