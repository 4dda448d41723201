import type { ConvNext } from '../architecture.ts';
import type { ConfigReader } from '../config.ts';
import type { Expectation } from '../expectation.ts';

const TRUNK = 'visual.trunk';
const HEAD = 'visual.head';
const EPSILON = 1e-6;

/** A ConvNeXt under timm's names with open_clip's head. @returns the tower config and D */
export function convNext(
  expect: Expectation,
  root: ConfigReader,
): { readonly image: ConvNext; readonly embedding: number } {
  const config = root.section('vision_config');
  const [stem = 0] = expect.shapeOf(`${TRUNK}.stem.0.weight`);
  expect.shape(`${TRUNK}.stem.0.weight`, [stem, 3, 4, 4]);
  expect.shape(`${TRUNK}.stem.0.bias`, [stem]);
  expect.norm(`${TRUNK}.stem.1`, stem);
  const [depths, widths]: [number[], number[]] = [[], []];
  let inputs = stem;
  for (let n = 0; expect.has(`${TRUNK}.stages.${n}.blocks.0.gamma`); n++) {
    const [width = 0] = expect.shapeOf(`${TRUNK}.stages.${n}.blocks.0.gamma`);
    if (n > 0) {
      const down = `${TRUNK}.stages.${n}.downsample`;
      expect.norm(`${down}.0`, inputs);
      expect.shape(`${down}.1.weight`, [width, inputs, 2, 2]);
      expect.shape(`${down}.1.bias`, [width]);
    }
    let depth = 0;
    while (expect.has(`${TRUNK}.stages.${n}.blocks.${depth}.gamma`)) {
      block(expect, `${TRUNK}.stages.${n}.blocks.${depth++}`, width);
    }
    depths.push(depth);
    widths.push(width);
    inputs = width;
  }
  expect.norm(`${TRUNK}.head.norm`, inputs);
  const projection = expect.has(`${HEAD}.proj.weight`) ? 'linear' : 'mlp';
  const embedding = projection === 'linear' ? linearHead(expect, inputs) : mlpHead(expect, inputs);
  root.mustAgree('projection_dim', embedding, HEAD);

  const cell = 4 * 2 ** (depths.length - 1); // pixels: a stem of 4, halved by each further stage
  const imageSize = config.whole('image_size') ?? 224;
  const grid = Math.floor(imageSize / cell);
  const epsilon = config.number('layer_norm_eps') ?? EPSILON;
  return {
    image: { kind: 'convnext', imageSize, grid, patch: imageSize / grid, depths, widths, epsilon, projection },
    embedding,
  };
}

function block(expect: Expectation, name: string, width: number): void {
  expect.shape(`${name}.conv_dw.weight`, [width, 1, 7, 7]);
  expect.shape(`${name}.conv_dw.bias`, [width]);
  expect.norm(`${name}.norm`, width);
  const [hidden = 0] = expect.shapeOf(`${name}.mlp.fc1.bias`);
  for (const [layer, outputs, inputs] of [
    ['fc1', hidden, width],
    ['fc2', width, hidden],
  ] as const) {
    const weight = `${name}.mlp.${layer}.weight`;
    const isConvolution = expect.shapeOf(weight).length === 4; // 1 × 1, in the largest models
    expect.shape(weight, isConvolution ? [outputs, inputs, 1, 1] : [outputs, inputs]);
    expect.shape(`${name}.mlp.${layer}.bias`, [outputs]);
  }
  expect.shape(`${name}.gamma`, [width]);
}

function linearHead(expect: Expectation, width: number): number {
  const [embedding = 0] = expect.shapeOf(`${HEAD}.proj.weight`);
  expect.shape(`${HEAD}.proj.weight`, [embedding, width]);
  if (expect.has(`${HEAD}.proj.bias`)) expect.shape(`${HEAD}.proj.bias`, [embedding]);
  return embedding;
}

function mlpHead(expect: Expectation, width: number): number {
  const [hidden = 0] = expect.shapeOf(`${HEAD}.mlp.fc1.weight`);
  const [embedding = 0] = expect.shapeOf(`${HEAD}.mlp.fc2.weight`);
  expect.linear(`${HEAD}.mlp.fc1`, hidden, width);
  expect.shape(`${HEAD}.mlp.fc2.weight`, [embedding, hidden]);
  if (expect.has(`${HEAD}.mlp.fc2.bias`)) expect.shape(`${HEAD}.mlp.fc2.bias`, [embedding]);
  return embedding;
}
