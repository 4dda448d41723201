import type { ModifiedResNet } from '../architecture.ts';
import type { ConfigReader } from '../config.ts';
import type { Expectation } from '../expectation.ts';

const MODEL = 'visual';
const POOL = `${MODEL}.attnpool`;
/** A head of the attention pooling is as wide in all of OpenAI's models. */
const HEAD_WIDTH = 64;

/** CLIP's ResNet under OpenAI's names. @returns the tower config and D */
export function modifiedResNet(
  expect: Expectation,
  root: ConfigReader,
): { readonly image: ModifiedResNet; readonly embedding: number } {
  const config = root.section('vision_config');
  const [width = 0] = expect.shapeOf(`${MODEL}.conv3.weight`);
  for (const [n, outputs, inputs] of [
    [1, width / 2, 3],
    [2, width / 2, width / 2],
    [3, width, width / 2],
  ] as const) {
    expect.normedConvolution(`${MODEL}.conv${n}`, `${MODEL}.bn${n}`, [outputs, inputs, 3, 3]);
  }
  let inputs = width;
  const layers = [1, 2, 3, 4].map((layer, n) => {
    const narrow = width * 2 ** n;
    let blocks = 0;
    for (; expect.has(`${MODEL}.layer${layer}.${blocks}.conv1.weight`); blocks++) {
      bottleneck(expect, `${MODEL}.layer${layer}.${blocks}`, inputs, narrow);
      inputs = 4 * narrow;
    }
    return blocks;
  });
  const [tokens = 0] = expect.shapeOf(`${POOL}.positional_embedding`);
  expect.shape(`${POOL}.positional_embedding`, [tokens, inputs]);
  for (const part of ['q_proj', 'k_proj', 'v_proj']) expect.linear(`${POOL}.${part}`, inputs, inputs);
  const [embedding = 0] = expect.shapeOf(`${POOL}.c_proj.weight`);
  expect.linear(`${POOL}.c_proj`, embedding, inputs);
  root.mustAgree('projection_dim', embedding, `${POOL}.c_proj.weight`);

  const grid = Math.round(Math.sqrt(tokens - 1));
  const imageSize = config.whole('image_size') ?? 32 * grid;
  if (Math.floor(imageSize / 32) !== grid || grid ** 2 + 1 !== tokens) {
    throw config.contradiction('image_size', imageSize, `${tokens - 1} positions of 32 × 32 pixels`);
  }
  const heads = config.whole('num_attention_heads') ?? inputs / HEAD_WIDTH;
  if (heads < 1 || inputs % heads !== 0) {
    throw config.contradiction('num_attention_heads', heads, `a width of ${inputs}`);
  }
  return { image: { kind: 'resnet', imageSize, grid, patch: imageSize / grid, width, layers, heads }, embedding };
}

function bottleneck(expect: Expectation, name: string, inputs: number, narrow: number): void {
  expect.normedConvolution(`${name}.conv1`, `${name}.bn1`, [narrow, inputs, 1, 1]);
  expect.normedConvolution(`${name}.conv2`, `${name}.bn2`, [narrow, narrow, 3, 3]);
  expect.normedConvolution(`${name}.conv3`, `${name}.bn3`, [4 * narrow, narrow, 1, 1]);
  if (expect.has(`${name}.downsample.0.weight`)) {
    expect.normedConvolution(`${name}.downsample.0`, `${name}.downsample.1`, [4 * narrow, inputs, 1, 1]);
  }
}
