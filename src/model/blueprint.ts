import type { Architecture } from '../checkpoint/architecture.ts';
import { inferArchitecture } from '../checkpoint/infer.ts';
import { Checkpoint, type TensorEntry } from '../checkpoint/safetensors.ts';
import type { Env } from '../disk/environment.ts';
import { findCard, type ModelCard } from '../hub/registry.ts';
import type { Preprocessing } from '../image/preprocess.ts';
import { imageTensors, textTensors } from './card-tensors.ts';
import type { Scoring } from './description.ts';
import { modelNames } from './find.ts';

/** A model whose weights are not downloaded: the names and shapes of its tensors. */
export interface Blueprint {
  readonly checkpoint: Checkpoint;
  readonly architecture: Architecture;
}

/** Settings of a BERT that its tensors do not show: Chinese-CLIP reads the class token, open_clip's XLM-RoBERTa all tokens. */
const BERT_TERMS = {
  bert: { pooling: 'class' },
  'xlm-roberta': { pooling: 'mean', layer_norm_eps: 1e-5 },
} as const;

/** The names and shapes of all tensors of a card's model, as Hugging Face names them, and the architecture. */
export function blueprint(card: ModelCard): Blueprint {
  const { shape, activation, context } = card;
  const shapes = [...imageTensors(card), ...textTensors(card)];
  const tensors = new Map(shapes.map(([name, sizes]) => [name, entry(name, sizes)]));
  const checkpoint = new Checkpoint(`${card.name}.safetensors`, tensors, new Uint8Array());
  const act = activation && { hidden_act: activation };
  const config = {
    vision_config: {
      ...(shape.image.kind === 'vit' && { num_attention_heads: shape.image.heads, ...act }),
      image_size: card.preprocessing.size,
    },
    text_config: {
      num_attention_heads: shape.text.heads,
      ...(shape.text.kind === 'transformer'
        ? { ...act, max_position_embeddings: context }
        : { model_type: shape.text.kind, context_length: context, ...BERT_TERMS[shape.text.kind] }),
    },
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

function entry(name: string, shape: readonly number[]): TensorEntry {
  return { name, dtype: 'F32', shape, offset: 0, bytes: product(shape) * Float32Array.BYTES_PER_ELEMENT };
}

function product(shape: readonly number[]): number {
  return shape.reduce((sum, size) => sum * size, 1);
}
