import { ModelError } from '../errors.ts';
import type { Checkpoint } from './safetensors.ts';

/** What both transformers have: residual attention blocks of one width. */
export interface Tower {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly mlpWidth: number;
  readonly activation: 'quick_gelu' | 'gelu';
  /** Added to the variance by every layer norm. */
  readonly epsilon: number;
}

/** The vision transformer. */
export interface ImageTower extends Tower {
  /** Pixels on a side of the square input. */
  readonly imageSize: number;
  /** Pixels on a side of a patch. */
  readonly patch: number;
  /** Patches on a side. */
  readonly grid: number;
  /** grid² patches and the class token. */
  readonly tokens: number;
  /** '1d': one learned row per token; '2d': one learned map over the patches, none for the class token. */
  readonly positions: '1d' | '2d';
  readonly pooling: 'class' | 'mean';
}

/** The text transformer: causal, pooled at the end-of-text token. */
export interface TextTower extends Tower {
  readonly vocabulary: number;
  /** The most tokens of a prompt, start and end of text included. */
  readonly context: number;
  /** The end-of-text id; 'greatest' where the config has the wrong id 2 of early exports: the highest id is pooled. */
  readonly endOfText: number | 'greatest';
}

/** Every hyper-parameter of a CLIP. */
export interface Architecture {
  readonly image: ImageTower;
  readonly text: TextTower;
  /** D, the width of the space that images and texts share. */
  readonly embedding: number;
}

/** Config values that Hugging Face leaves out of config.json where they equal its defaults (configuration_clip.py). */
const DEFAULT_HEADS = { vision: 12, text: 8 } as const;
const DEFAULT_ACTIVATION = 'quick_gelu';
const DEFAULT_EPSILON = 1e-5;
const DEFAULT_END_OF_TEXT = 49407;
/** Early exports say `eos_token_id: 2`, which is no end of text; Hugging Face then pools at the greatest id. */
const WRONG_END_OF_TEXT = 2;

/**
 * Infers every hyper-parameter from the names and shapes of the tensors, so that it cannot disagree with the weights,
 * takes from the config what weights cannot tell (heads, activation, epsilon, pooling, end-of-text id),
 * and refuses a config that contradicts the weights. Names are those of Hugging Face's CLIPModel.
 *
 * @param config the parsed config.json
 * @throws ModelError naming the tensor or field at fault
 */
export function inferArchitecture(checkpoint: Checkpoint, config: unknown): Architecture {
  const root = new ConfigReader(config, 'config.json', checkpoint.folder);
  const embedding = checkpoint.tensor('visual_projection.weight').shape[0] ?? 0;
  root.mustAgree('projection_dim', embedding, 'visual_projection.weight');
  const image = inferImageTower(checkpoint, root.section('vision_config'));
  const text = inferTextTower(checkpoint, root.section('text_config'));
  expectShape(checkpoint, 'visual_projection.weight', [embedding, image.width]);
  expectShape(checkpoint, 'text_projection.weight', [embedding, text.width]);
  return { image, text, embedding };
}

function inferImageTower(checkpoint: Checkpoint, config: ConfigReader): ImageTower {
  const patchWeight = 'vision_model.embeddings.patch_embedding.weight';
  const [width = 0, , patch = 0] = checkpoint.tensor(patchWeight).shape;
  expectShape(checkpoint, patchWeight, [width, 3, patch, patch]);
  expectShape(checkpoint, 'vision_model.embeddings.class_embedding', [width]);

  const map = 'vision_model.embeddings.position_embedding_2d';
  const list = 'vision_model.embeddings.position_embedding.weight';
  const positions = checkpoint.has(map) ? '2d' : '1d';
  const grid =
    positions === '2d'
      ? (checkpoint.tensor(map).shape[2] ?? 0)
      : Math.sqrt((checkpoint.tensor(list).shape[0] ?? 0) - 1);
  if (!(Number.isInteger(grid) && grid > 0)) {
    throw new ModelError(
      `${list} has shape [${checkpoint.tensor(list).shape}], not a class token and a square of patches`,
      unsupported,
    );
  }
  const tokens = grid * grid + 1;
  if (positions === '2d') expectShape(checkpoint, map, [1, width, grid, grid]);
  else expectShape(checkpoint, list, [tokens, width]);

  const imageSize = config.number('image_size') ?? grid * patch;
  if (Math.floor(imageSize / patch) !== grid) {
    throw config.contradiction('image_size', imageSize, `${grid} × ${grid} patches of ${patch} pixels`);
  }
  config.mustAgree('patch_size', patch, patchWeight);
  const saidPositions = config.choice('position_embedding_type', ['1d', '2d', 'absolute']);
  if (saidPositions !== undefined && (saidPositions === '2d') !== (positions === '2d')) {
    throw config.contradiction('position_embedding_type', saidPositions, `${positions} positions`);
  }
  for (const norm of ['pre_layrnorm', 'post_layernorm']) expectNorm(checkpoint, `vision_model.${norm}`, width);
  const tower = inferTower(checkpoint, 'vision_model', width, config, DEFAULT_HEADS.vision);
  const pooling = config.choice('pooling', ['class', 'mean']) ?? 'class';
  return { ...tower, imageSize, patch, grid, tokens, positions, pooling };
}

function inferTextTower(checkpoint: Checkpoint, config: ConfigReader): TextTower {
  const tokenWeight = 'text_model.embeddings.token_embedding.weight';
  const positionWeight = 'text_model.embeddings.position_embedding.weight';
  const [vocabulary = 0, width = 0] = checkpoint.tensor(tokenWeight).shape;
  const context = checkpoint.tensor(positionWeight).shape[0] ?? 0;
  expectShape(checkpoint, tokenWeight, [vocabulary, width]);
  expectShape(checkpoint, positionWeight, [context, width]);
  config.mustAgree('vocab_size', vocabulary, tokenWeight);
  config.mustAgree('max_position_embeddings', context, positionWeight);
  expectNorm(checkpoint, 'text_model.final_layer_norm', width);
  const endOfText = config.number('eos_token_id') ?? DEFAULT_END_OF_TEXT;
  if (endOfText !== WRONG_END_OF_TEXT && endOfText >= vocabulary) {
    throw config.contradiction('eos_token_id', endOfText, `a vocabulary of ${vocabulary}`);
  }
  return {
    ...inferTower(checkpoint, 'text_model', width, config, DEFAULT_HEADS.text),
    vocabulary,
    context,
    endOfText: endOfText === WRONG_END_OF_TEXT ? 'greatest' : endOfText,
  };
}

function inferTower(
  checkpoint: Checkpoint,
  prefix: string,
  width: number,
  config: ConfigReader,
  defaultHeads: number,
): Tower {
  let layers = 0;
  while (checkpoint.has(`${prefix}.encoder.layers.${layers}.mlp.fc1.weight`)) layers++;
  if (layers === 0) throw new ModelError(`${checkpoint.file} has no ${prefix}.encoder.layers.0`, unsupported);
  const mlpWidth = checkpoint.tensor(`${prefix}.encoder.layers.0.mlp.fc1.weight`).shape[0] ?? 0;
  for (let n = 0; n < layers; n++) {
    const layer = `${prefix}.encoder.layers.${n}`;
    for (const projection of ['q_proj', 'k_proj', 'v_proj', 'out_proj']) {
      expectLinear(checkpoint, `${layer}.self_attn.${projection}`, width, width);
    }
    expectLinear(checkpoint, `${layer}.mlp.fc1`, mlpWidth, width);
    expectLinear(checkpoint, `${layer}.mlp.fc2`, width, mlpWidth);
    for (const norm of ['layer_norm1', 'layer_norm2']) expectNorm(checkpoint, `${layer}.${norm}`, width);
  }
  config.mustAgree('hidden_size', width, prefix);
  config.mustAgree('num_hidden_layers', layers, prefix);
  config.mustAgree('intermediate_size', mlpWidth, `${prefix}.encoder.layers.0.mlp.fc1.weight`);
  const heads = config.number('num_attention_heads') ?? defaultHeads;
  if (heads < 1 || width % heads !== 0) throw config.contradiction('num_attention_heads', heads, `a width of ${width}`);
  return {
    width,
    layers,
    heads,
    mlpWidth,
    activation: config.choice('hidden_act', ['quick_gelu', 'gelu']) ?? DEFAULT_ACTIVATION,
    epsilon: config.number('layer_norm_eps') ?? DEFAULT_EPSILON,
  };
}

const unsupported = 'models import takes CLIP checkpoints with the tensor names of Hugging Face';
const FLOATS: readonly string[] = ['F32', 'F16', 'BF16'];

function expectShape(checkpoint: Checkpoint, name: string, shape: readonly number[]): void {
  const entry = checkpoint.tensor(name);
  if (entry.shape.length !== shape.length || entry.shape.some((size, i) => size !== shape[i] || size === 0)) {
    throw new ModelError(
      `${name} has shape [${entry.shape.join(', ')}], the other tensors ask for [${shape.join(', ')}]`,
      unsupported,
    );
  }
  if (!FLOATS.includes(entry.dtype)) {
    throw new ModelError(`${name} is stored as ${entry.dtype}`, `save the checkpoint as one of ${FLOATS.join(', ')}`);
  }
}

function expectLinear(checkpoint: Checkpoint, name: string, rows: number, columns: number): void {
  expectShape(checkpoint, `${name}.weight`, [rows, columns]);
  expectShape(checkpoint, `${name}.bias`, [rows]);
}

function expectNorm(checkpoint: Checkpoint, name: string, width: number): void {
  expectShape(checkpoint, `${name}.weight`, [width]);
  expectShape(checkpoint, `${name}.bias`, [width]);
}

/** Reads config fields of a known type and says which file, field and value is at fault. */
class ConfigReader {
  private readonly fields: Readonly<Record<string, unknown>>;

  constructor(
    fields: unknown,
    private readonly name: string,
    private readonly folder: string,
  ) {
    if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
      throw new ModelError(`${name} in ${folder} is not an object`, mend);
    }
    this.fields = { ...fields };
  }

  section(key: string): ConfigReader {
    return new ConfigReader(this.fields[key] ?? {}, `${key} of ${this.name}`, this.folder);
  }

  number(key: string): number | undefined {
    const value = this.fields[key] ?? undefined;
    if (value === undefined || (typeof value === 'number' && Number.isFinite(value) && value >= 0)) return value;
    throw new ModelError(`${key} in ${this.name} (${this.folder}) is ${JSON.stringify(value)}, not a number`, mend);
  }

  choice<const T extends string>(key: string, choices: readonly T[]): T | undefined {
    const value = this.fields[key] ?? undefined;
    if (value === undefined) return undefined;
    const choice = choices.find((one) => one === value);
    if (choice !== undefined) return choice;
    throw new ModelError(
      `${key} in ${this.name} (${this.folder}) is ${JSON.stringify(value)}`,
      `supported are ${choices.join(', ')}`,
    );
  }

  mustAgree(key: string, actual: number, tensor: string): void {
    const said = this.number(key);
    if (said !== undefined && said !== actual)
      throw this.contradiction(key, said, `${actual} in the weights (${tensor})`);
  }

  contradiction(key: string, said: number | string, actual: string): ModelError {
    return new ModelError(`${key} in ${this.name} (${this.folder}) says ${said}, which contradicts ${actual}`, mend);
  }
}

const mend = 'use the config.json that belongs to these weights';
