import { ModelError } from '../../errors.ts';
import type { VisionTransformer } from '../architecture.ts';
import type { ConfigReader } from '../config.ts';
import { type Expectation, unsupported } from '../expectation.ts';
import { transformer } from './transformer.ts';

const MODEL = 'vision_model';
const EMBEDDINGS = `${MODEL}.embeddings`;
const PROJECTION = 'visual_projection.weight';
const CLIP = { heads: 12, activation: 'quick_gelu', epsilon: 1e-5 } as const;
const SIGLIP = { heads: 12, activation: 'gelu_pytorch_tanh', epsilon: 1e-6 } as const;

/** The image encoder of a CLIP, a SigLIP, a CoCa, or Hugging Face's ViT. @returns the tower config and D */
export function visionTransformer(
  expect: Expectation,
  root: ConfigReader,
): { readonly image: VisionTransformer; readonly embedding: number } {
  const config = root.section('vision_config');
  const [width, patch] = patches(expect);
  const pooling = poolingOf(expect, config);
  const classToken = pooling !== 'attention';
  if (classToken) expect.shape(`${EMBEDDINGS}.class_embedding`, [width]);
  const { grid, positions } = positionsOf(expect, width, classToken);
  const normFirst = expect.has(`${MODEL}.pre_layrnorm.weight`);
  if (normFirst) expect.norm(`${MODEL}.pre_layrnorm`, width);

  const imageSize = config.whole('image_size') ?? grid * patch;
  if (Math.floor(imageSize / patch) !== grid) {
    throw config.contradiction('image_size', imageSize, `${grid} × ${grid} patches of ${patch} pixels`);
  }
  config.mustAgree('patch_size', patch, `${EMBEDDINGS}.patch_embedding.weight`);
  const saidPositions = config.choice('position_embedding_type', ['1d', '2d', 'absolute']);
  if (saidPositions !== undefined && (saidPositions === '2d') !== (positions === '2d')) {
    throw config.contradiction('position_embedding_type', saidPositions, `${positions} positions`);
  }
  const image: VisionTransformer = {
    kind: 'vit',
    ...transformer(expect, MODEL, width, config, pooling === 'attention' ? SIGLIP : CLIP),
    ...{ imageSize, patch, grid, tokens: grid * grid + (classToken ? 1 : 0), normFirst, positions, pooling },
    normBeforePooling: pooling === 'attention' || (pooling === 'patch mean' && config.flag('norm_before_pooling')),
    poolingHeads: config.whole('pooling_heads') ?? 0,
    pooler: expect.has(`${MODEL}.pooler.dense.weight`),
  };
  if (image.pooler) {
    expect.linear(`${MODEL}.pooler.dense`, width, width);
    config.choice('pooler_act', ['tanh']);
  }
  return { image, embedding: head(expect, root, image) };
}

/** @returns the width of a token and the pixels on a side of a patch */
function patches(expect: Expectation): [width: number, patch: number] {
  const name = `${EMBEDDINGS}.patch_embedding`;
  const [width = 0, , patch = 0] = expect.shapeOf(`${name}.weight`);
  expect.shape(`${name}.weight`, [width, 3, patch, patch]);
  if (expect.has(`${name}.bias`)) expect.shape(`${name}.bias`, [width]);
  return [width, patch];
}

function positionsOf(
  expect: Expectation,
  width: number,
  classToken: boolean,
): Pick<VisionTransformer, 'grid' | 'positions'> {
  const map = `${EMBEDDINGS}.position_embedding_2d`;
  if (expect.has(map)) {
    const [, , grid = 0] = expect.shapeOf(map);
    expect.shape(map, [1, width, grid, grid]);
    return { grid, positions: '2d' };
  }
  const list = `${EMBEDDINGS}.position_embedding.weight`;
  const [rows = 0] = expect.shapeOf(list);
  const grid = Math.sqrt(rows - (classToken ? 1 : 0));
  if (!(Number.isInteger(grid) && grid > 0)) {
    const wanted = classToken ? 'a class token and a square of patches' : 'a square of patches';
    throw new ModelError(`${list} has shape [${expect.shapeOf(list)}], not ${wanted}`, unsupported);
  }
  expect.shape(list, [rows, width]);
  return { grid, positions: '1d' };
}

function poolingOf(expect: Expectation, config: ConfigReader): VisionTransformer['pooling'] {
  if (expect.has(`${MODEL}.head.probe`)) return 'attention';
  if (expect.has(`${MODEL}.head.query`)) return 'queries';
  return config.choice('pooling', ['class', 'mean', 'patch mean']) ?? 'class';
}

/** What turns tokens into an embedding. @returns D */
function head(expect: Expectation, root: ConfigReader, image: VisionTransformer): number {
  const { width, mlpWidth } = image;
  const name = `${MODEL}.head`;
  if (image.pooling === 'attention') {
    expect.shape(`${name}.probe`, [1, 1, width]);
    expect.attention(`${name}.attention`, width);
    expect.norm(`${name}.layernorm`, width);
    expect.mlp(`${name}.mlp`, width, mlpWidth);
  }
  let pooled = width;
  if (image.pooling === 'queries') {
    const [queries = 0, own = 0] = expect.shapeOf(`${name}.query`);
    pooled = own;
    expect.shape(`${name}.query`, [queries, pooled]);
    expect.norm(`${name}.ln_q`, pooled);
    expect.norm(`${name}.ln_k`, width);
    expect.linear(`${name}.attention.q_proj`, pooled, pooled);
    for (const part of ['k_proj', 'v_proj']) expect.linear(`${name}.attention.${part}`, pooled, width);
    expect.linear(`${name}.attention.out_proj`, pooled, pooled);
  }
  expect.norm(`${MODEL}.post_layernorm`, pooled);
  if (image.pooling === 'attention' && !expect.has(PROJECTION)) return width;
  const [embedding = 0] = expect.shapeOf(PROJECTION);
  expect.shape(PROJECTION, [embedding, pooled]);
  if (expect.has('visual_projection.bias')) expect.shape('visual_projection.bias', [embedding]);
  root.mustAgree('projection_dim', embedding, PROJECTION);
  return embedding;
}
