import { ModelError } from '../errors.ts';
import { ConfigReader } from './config.ts';
import { Expectation, unsupported } from './expectation.ts';
import type { Checkpoint } from './safetensors.ts';

/** What both transformers have: residual attention blocks of one width. */
export interface Tower {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly mlpWidth: number;
  readonly activation: 'quick_gelu' | 'gelu' | 'gelu_pytorch_tanh';
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
  /** grid² patches and, but for SigLIP, the class token. */
  readonly tokens: number;
  /** '1d': one learned row per token; '2d': one learned map over the patches, none for the class token. */
  readonly positions: '1d' | '2d';
  /** 'class': the class token; 'mean': all tokens; 'attention': SigLIP's learned query. */
  readonly pooling: 'class' | 'mean' | 'attention';
}

/** The text transformer. */
export interface TextTower extends Tower {
  readonly vocabulary: number;
  /** The most tokens of a prompt, start and end of text included. */
  readonly context: number;
  /**
   * Which token is read. CLIP's end of text, the tower being causal; 'greatest id' where the config has the wrong
   * end-of-text id 2 of early exports, as Hugging Face does it; the last of a padded prompt for SigLIP.
   */
  readonly pooling:
    | { readonly at: 'end of text'; readonly id: number }
    | { readonly at: 'greatest id' }
    | { readonly at: 'last token' };
}

/** Every hyper-parameter of a model. */
export interface Architecture {
  readonly family: 'clip' | 'siglip';
  readonly image: ImageTower;
  readonly text: TextTower;
  /** D, the width of the space that images and texts share. */
  readonly embedding: number;
}

/** Config values that Hugging Face leaves out of config.json where they equal its defaults (configuration_*.py). */
const DEFAULTS = {
  clip: { visionHeads: 12, textHeads: 8, activation: 'quick_gelu', epsilon: 1e-5 },
  siglip: { visionHeads: 12, textHeads: 12, activation: 'gelu_pytorch_tanh', epsilon: 1e-6 },
} as const;
const DEFAULT_END_OF_TEXT = 49407;
/** Early exports say `eos_token_id: 2`, which is no end of text; Hugging Face then pools at the greatest id. */
const WRONG_END_OF_TEXT = 2;

const IMAGE = 'vision_model';
const TEXT = 'text_model';

/**
 * Infers every hyper-parameter from the names and shapes of the tensors, so that it cannot disagree with the weights,
 * takes from the config what weights cannot tell (heads, activation, epsilon, pooling, end-of-text id),
 * and refuses a config that contradicts the weights, or a tensor that it does not know.
 *
 * @param checkpoint with the names of Hugging Face's CLIPModel or SiglipModel
 * @param config the parsed config.json
 * @throws ModelError naming the tensor or field at fault
 */
export function inferArchitecture(checkpoint: Checkpoint, config: unknown): Architecture {
  const family = checkpoint.has(`${IMAGE}.head.probe`) ? 'siglip' : 'clip';
  const root = new ConfigReader(config, 'config.json', checkpoint.folder);
  const [vision, language] = [root.section('vision_config'), root.section('text_config')];
  const expect = new Expectation(checkpoint);
  const image = imageTower(expect, vision, family);
  const text = textTower(expect, language, family);
  const embedding =
    family === 'clip' ? clipProjections(expect, root, image, text) : siglipHeads(expect, language, image, text);
  expect.nothingElse();
  return { family, image, text, embedding };
}

function imageTower(expect: Expectation, config: ConfigReader, family: Architecture['family']): ImageTower {
  const embeddings = `${IMAGE}.embeddings`;
  const patchWeight = `${embeddings}.patch_embedding.weight`;
  const [width = 0, , patch = 0] = expect.shapeOf(patchWeight);
  expect.shape(patchWeight, [width, 3, patch, patch]);

  const map = `${embeddings}.position_embedding_2d`;
  const list = `${embeddings}.position_embedding.weight`;
  const classTokens = family === 'clip' ? 1 : 0;
  const positions = expect.has(map) ? '2d' : '1d';
  const rows = positions === '2d' ? undefined : (expect.shapeOf(list)[0] ?? 0) - classTokens;
  const grid = rows === undefined ? (expect.shapeOf(map)[2] ?? 0) : Math.sqrt(rows);
  if (!(Number.isInteger(grid) && grid > 0)) {
    throw new ModelError(
      `${list} has shape [${expect.shapeOf(list)}], not a class token and a square of patches`,
      unsupported,
    );
  }
  const tokens = grid * grid + classTokens;
  if (positions === '2d') expect.shape(map, [1, width, grid, grid]);
  else expect.shape(list, [tokens, width]);
  if (family === 'clip') {
    expect.shape(`${embeddings}.class_embedding`, [width]);
    expect.norm(`${IMAGE}.pre_layrnorm`, width);
  } else {
    expect.shape(`${embeddings}.patch_embedding.bias`, [width]);
  }
  expect.norm(`${IMAGE}.post_layernorm`, width);

  const imageSize = config.whole('image_size') ?? grid * patch;
  if (Math.floor(imageSize / patch) !== grid) {
    throw config.contradiction('image_size', imageSize, `${grid} × ${grid} patches of ${patch} pixels`);
  }
  config.mustAgree('patch_size', patch, patchWeight);
  const saidPositions = config.choice('position_embedding_type', ['1d', '2d', 'absolute']);
  if (saidPositions !== undefined && (saidPositions === '2d') !== (positions === '2d')) {
    throw config.contradiction('position_embedding_type', saidPositions, `${positions} positions`);
  }
  const blocks = tower(expect, IMAGE, width, config, family, DEFAULTS[family].visionHeads);
  const pooling = family === 'siglip' ? 'attention' : (config.choice('pooling', ['class', 'mean']) ?? 'class');
  return { ...blocks, imageSize, patch, grid, tokens, positions, pooling };
}

function textTower(expect: Expectation, config: ConfigReader, family: Architecture['family']): TextTower {
  const tokenWeight = `${TEXT}.embeddings.token_embedding.weight`;
  const positionWeight = `${TEXT}.embeddings.position_embedding.weight`;
  const [vocabulary = 0, width = 0] = expect.shapeOf(tokenWeight);
  const [context = 0] = expect.shapeOf(positionWeight);
  expect.shape(tokenWeight, [vocabulary, width]);
  expect.shape(positionWeight, [context, width]);
  expect.norm(`${TEXT}.final_layer_norm`, width);
  config.mustAgree('vocab_size', vocabulary, tokenWeight);
  config.mustAgree('max_position_embeddings', context, positionWeight);
  const blocks = tower(expect, TEXT, width, config, family, DEFAULTS[family].textHeads);
  return { ...blocks, vocabulary, context, pooling: textPooling(config, vocabulary, family) };
}

function textPooling(config: ConfigReader, vocabulary: number, family: Architecture['family']): TextTower['pooling'] {
  if (family === 'siglip') return { at: 'last token' };
  const id = config.whole('eos_token_id') ?? DEFAULT_END_OF_TEXT;
  if (id === WRONG_END_OF_TEXT) return { at: 'greatest id' };
  if (id >= vocabulary) throw config.contradiction('eos_token_id', id, `a vocabulary of ${vocabulary}`);
  return { at: 'end of text', id };
}

function tower(
  expect: Expectation,
  prefix: string,
  width: number,
  config: ConfigReader,
  family: Architecture['family'],
  defaultHeads: number,
): Tower {
  const firstMlp = `${prefix}.encoder.layers.0.mlp.fc1.weight`;
  let layers = 0;
  while (expect.has(`${prefix}.encoder.layers.${layers}.mlp.fc1.weight`)) layers++;
  if (layers === 0) throw new ModelError(`the checkpoint has no tensor ${firstMlp}`, unsupported);
  const mlpWidth = expect.shapeOf(firstMlp)[0] ?? 0;
  for (let n = 0; n < layers; n++) {
    const layer = `${prefix}.encoder.layers.${n}`;
    expect.attention(`${layer}.self_attn`, width);
    expect.mlp(`${layer}.mlp`, width, mlpWidth);
    for (const norm of ['layer_norm1', 'layer_norm2']) expect.norm(`${layer}.${norm}`, width);
  }
  config.mustAgree('hidden_size', width, prefix);
  config.mustAgree('num_hidden_layers', layers, prefix);
  config.mustAgree('intermediate_size', mlpWidth, firstMlp);
  const heads = config.whole('num_attention_heads') ?? defaultHeads;
  if (heads < 1 || width % heads !== 0) throw config.contradiction('num_attention_heads', heads, `a width of ${width}`);
  const { activation, epsilon } = DEFAULTS[family];
  return {
    width,
    layers,
    heads,
    mlpWidth,
    activation: config.choice('hidden_act', ['quick_gelu', 'gelu', 'gelu_pytorch_tanh']) ?? activation,
    epsilon: config.number('layer_norm_eps') ?? epsilon,
  };
}

/** CLIP: a projection without bias from each tower. @returns D */
function clipProjections(expect: Expectation, config: ConfigReader, image: ImageTower, text: TextTower): number {
  const [embedding = 0] = expect.shapeOf('visual_projection.weight');
  expect.shape('visual_projection.weight', [embedding, image.width]);
  expect.shape('text_projection.weight', [embedding, text.width]);
  config.mustAgree('projection_dim', embedding, 'visual_projection.weight');
  return embedding;
}

/** SigLIP: attention pooling over the patches, a linear head over the last token. @returns D */
function siglipHeads(expect: Expectation, config: ConfigReader, image: ImageTower, text: TextTower): number {
  const head = `${IMAGE}.head`;
  expect.shape(`${head}.probe`, [1, 1, image.width]);
  expect.attention(`${head}.attention`, image.width);
  expect.norm(`${head}.layernorm`, image.width);
  expect.mlp(`${head}.mlp`, image.width, image.mlpWidth);
  expect.linear(`${TEXT}.head`, image.width, text.width);
  config.mustAgree('projection_size', image.width, `${TEXT}.head.weight`);
  return image.width;
}
