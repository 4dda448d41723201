import { ModelError } from '../../errors.ts';
import type { VisionTransformer } from '../architecture.ts';
import type { ConfigReader } from '../config.ts';
import { type Expectation, unsupported } from '../expectation.ts';
import { transformer } from './transformer.ts';

const MODEL = 'vision_model';
const DEFAULTS = {
  clip: { heads: 12, activation: 'quick_gelu', epsilon: 1e-5 },
  siglip: { heads: 12, activation: 'gelu_pytorch_tanh', epsilon: 1e-6 },
} as const;

/** The image tower of a CLIP, or of a SigLIP if it pools with a learned query. @returns the tower and D */
export function visionTransformer(
  expect: Expectation,
  root: ConfigReader,
): { readonly image: VisionTransformer; readonly embedding: number } {
  const config = root.section('vision_config');
  const family = expect.has(`${MODEL}.head.probe`) ? 'siglip' : 'clip';
  const embeddings = `${MODEL}.embeddings`;
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
    expect.norm(`${MODEL}.pre_layrnorm`, width);
  } else {
    expect.shape(`${embeddings}.patch_embedding.bias`, [width]);
  }
  expect.norm(`${MODEL}.post_layernorm`, width);

  const imageSize = config.whole('image_size') ?? grid * patch;
  if (Math.floor(imageSize / patch) !== grid) {
    throw config.contradiction('image_size', imageSize, `${grid} × ${grid} patches of ${patch} pixels`);
  }
  config.mustAgree('patch_size', patch, patchWeight);
  const saidPositions = config.choice('position_embedding_type', ['1d', '2d', 'absolute']);
  if (saidPositions !== undefined && (saidPositions === '2d') !== (positions === '2d')) {
    throw config.contradiction('position_embedding_type', saidPositions, `${positions} positions`);
  }
  const blocks = transformer(expect, MODEL, width, config, DEFAULTS[family]);
  const pooling = family === 'siglip' ? 'attention' : (config.choice('pooling', ['class', 'mean']) ?? 'class');
  const image = { kind: 'vit', ...blocks, imageSize, patch, grid, tokens, positions, pooling } as const;
  return { image, embedding: pooling === 'attention' ? probeHead(expect, image) : projection(expect, root, image) };
}

/** CLIP: a projection without bias. @returns D */
function projection(expect: Expectation, config: ConfigReader, { width }: VisionTransformer): number {
  const [embedding = 0] = expect.shapeOf('visual_projection.weight');
  expect.shape('visual_projection.weight', [embedding, width]);
  config.mustAgree('projection_dim', embedding, 'visual_projection.weight');
  return embedding;
}

/** SigLIP: attention pooling over the patches. @returns D */
function probeHead(expect: Expectation, { width, mlpWidth }: VisionTransformer): number {
  const head = `${MODEL}.head`;
  expect.shape(`${head}.probe`, [1, 1, width]);
  expect.attention(`${head}.attention`, width);
  expect.norm(`${head}.layernorm`, width);
  expect.mlp(`${head}.mlp`, width, mlpWidth);
  return width;
}
