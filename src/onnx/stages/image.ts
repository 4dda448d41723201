import type { ConvBlock, EfficientNetLite, VisionTransformer } from '../../checkpoint/architecture.ts';
import { blockStages, type MakeStage, type Stage } from './stage.ts';

/** A vision transformer, from pixels to projection. */
export function visionTransformerStages(stage: MakeStage, image: VisionTransformer, embedding: number): Stage[] {
  const { imageSize, patch, grid, tokens, width, positions, pooling } = image;
  const clip = pooling !== 'attention';
  const oneToken: Stage['shape'] = ['B', width];
  const allTokens: Stage['shape'] = ['B', tokens, width];
  const norm = (shape: Stage['shape']) => stage('ln_post', '', shape, /vision_model\.post_layernorm/u);
  return [
    stage('pixels', 'normalised RGB', ['B', 3, imageSize, imageSize]),
    stage(
      'patch embedding',
      `${patch} × ${patch} pixels, stride ${patch}`,
      ['B', width, grid, grid],
      /patch_embedding/u,
    ),
    stage(
      'tokens',
      `${clip ? 'class token + ' : ''}${grid}² patches, ${positions} positions`,
      allTokens,
      /^vision_model\.embeddings\.(class_embedding|position_embedding(_2d|\.weight))$/u,
    ),
    ...(clip ? [stage('ln_pre', '', allTokens, /pre_layrnorm/u)] : []),
    ...blockStages(stage, 'vision_model', image, tokens),
    ...(clip
      ? [
          stage('pooling', pooling === 'mean' ? 'mean over tokens' : 'class token', oneToken),
          norm(oneToken),
          stage('projection', '', ['B', embedding], /^visual_projection/u),
        ]
      : [norm(allTokens), stage('pooling', 'attention of a learned query, mlp', oneToken, /^vision_model\.head\./u)]),
  ];
}

/** An EfficientNet-Lite, from pixels to its head. */
export function efficientNetStages(stage: MakeStage, image: EfficientNetLite, embedding: number): Stage[] {
  const { imageSize, stem, blocks, features, grid, classes, hidden } = image;
  let side = Math.ceil(imageSize / 2);
  const prefixes = new Set(blocks.map(({ name }) => name.replace(/\d+$/u, '')));
  return [
    stage('pixels', 'normalised RGB', ['B', 3, imageSize, imageSize]),
    stage('stem', '3 × 3, stride 2, ReLU6', ['B', stem, side, side], /^visual\.trunk\.(conv_stem|bn1)\./u),
    ...[...prefixes].map((prefix) => {
      const members = blocks.filter(({ name }) => name.startsWith(prefix));
      const [{ stride, outputs }] = members as [ConvBlock];
      side = Math.ceil(side / stride);
      const own = new RegExp(`^${prefix.replaceAll('.', '\\.')}`, 'u');
      return stage(`${members.length} × bottleneck`, stride === 2 ? 'stride 2' : '', ['B', outputs, side, side], own);
    }),
    stage('features', '1 × 1, ReLU6', ['B', features, grid, grid], /^visual\.trunk\.(conv_head|bn2)\./u),
    stage('pooling', `mean over ${grid}² cells`, ['B', features]),
    stage('classes', 'softmax of its own classifier', ['B', classes], /^visual\.trunk\.classifier\./u),
    stage('texts of classes', 'their mean, unit length, scaled', ['B', embedding], /^visual\.head\.posterior\./u),
    stage(
      'correction',
      `${features} → ${hidden} → ${embedding}, gelu; added`,
      ['B', embedding],
      /^visual\.head\.mlp\./u,
    ),
  ];
}
