import type {
  ConvBlock,
  ConvNext,
  EfficientNetLite,
  ModifiedResNet,
  VisionTransformer,
} from '../../checkpoint/architecture.ts';
import { blockStages, type MakeStage, type Stage } from './stage.ts';

/** A vision transformer, from pixels to projection. */
export function visionTransformerStages(stage: MakeStage, image: VisionTransformer, embedding: number): Stage[] {
  const { imageSize, patch, grid, tokens, width, positions, pooling, normFirst, normBeforePooling, pooler } = image;
  const oneToken: Stage['shape'] = ['B', width];
  const allTokens: Stage['shape'] = ['B', tokens, width];
  const normed = stage('ln_post', '', normBeforePooling ? allTokens : oneToken, /vision_model\.post_layernorm/u);
  const pooled = stage('pooling', POOLED[pooling], oneToken, /^vision_model\.head\./u);
  const projection = stage('projection', '', ['B', embedding], /^visual_projection/u);
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
      `${tokens > grid ** 2 ? 'class token + ' : ''}${grid}² patches, ${positions} positions`,
      allTokens,
      /^vision_model\.embeddings\.(class_embedding|position_embedding(_2d|\.weight))$/u,
    ),
    ...(normFirst ? [stage('ln_pre', '', allTokens, /pre_layrnorm/u)] : []),
    ...blockStages(stage, 'vision_model', image, tokens),
    ...(normBeforePooling ? [normed, pooled] : [pooled, normed]),
    ...(pooler ? [stage('pooler', 'dense, tanh', oneToken, /^vision_model\.pooler\./u)] : []),
    ...(projection.parameters > 0 ? [projection] : []),
  ];
}

const POOLED: Readonly<Record<VisionTransformer['pooling'], string>> = {
  class: 'class token',
  mean: 'mean over tokens',
  'patch mean': 'mean over patches',
  attention: 'attention of a learned query, mlp',
  queries: 'attention of learned queries, the first',
};

/** CLIP's ResNet, from pixels to its attention pooling. */
export function resNetStages(stage: MakeStage, image: ModifiedResNet, embedding: number): Stage[] {
  const { imageSize, width, layers, heads, grid } = image;
  const side = (halvings: number) => Math.floor(imageSize / 2 ** halvings);
  return [
    stage('pixels', 'normalised RGB', ['B', 3, imageSize, imageSize]),
    stage('stem', '3 × (3 × 3), average of 2 × 2', ['B', width, side(2), side(2)], /^visual\.(conv|bn)[123]\./u),
    ...layers.map((blocks, n) =>
      stage(
        `${blocks} × bottleneck`,
        n === 0 ? '' : 'average of 2 × 2',
        ['B', 4 * width * 2 ** n, side(2 + n), side(2 + n)],
        new RegExp(`^visual\\.layer${n + 1}\\.`, 'u'),
      ),
    ),
    stage(
      'pooling',
      `attention of their mean to ${grid}² cells, ${heads} heads, projection`,
      ['B', embedding],
      /^visual\.attnpool\./u,
    ),
  ];
}

/** A ConvNeXt, from pixels to projection. */
export function convNextStages(stage: MakeStage, image: ConvNext, embedding: number): Stage[] {
  const { imageSize, depths, widths, projection } = image;
  const last = widths.at(-1) ?? 0;
  const side = (n: number) => Math.floor(imageSize / (4 * 2 ** n));
  return [
    stage('pixels', 'normalised RGB', ['B', 3, imageSize, imageSize]),
    stage('stem', '4 × 4 pixels, stride 4', ['B', widths[0] ?? 0, side(0), side(0)], /^visual\.trunk\.stem\./u),
    ...depths.map((depth, n) =>
      stage(
        `${depth} × block`,
        `${n === 0 ? '' : 'stride 2; '}7 × 7 on each channel, mlp`,
        ['B', widths[n] ?? 0, side(n), side(n)],
        new RegExp(`^visual\\.trunk\\.stages\\.${n}\\.`, 'u'),
      ),
    ),
    stage('pooling', 'mean over cells, norm', ['B', last], /^visual\.trunk\.head\./u),
    stage('projection', projection === 'mlp' ? 'two layers, gelu' : '', ['B', embedding], /^visual\.head\./u),
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
