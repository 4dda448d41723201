import { ModelError } from '../../errors.ts';
import type { ConvBlock, EfficientNetLite } from '../architecture.ts';
import type { ConfigReader } from '../config.ts';
import { type Expectation, unsupported } from '../expectation.ts';

const TRUNK = 'visual.trunk';
const HEAD = 'visual.head';
/** Of the first block of each stage (Tan & Le 2019, table 1). */
const STRIDES = [1, 2, 2, 2, 1, 2, 1] as const;

/** An EfficientNet-Lite under timm's names with its classifier, and the head over both. @returns the tower config and D */
export function efficientNetLite(
  expect: Expectation,
  root: ConfigReader,
): { readonly image: EfficientNetLite; readonly embedding: number } {
  const config = root.section('vision_config');
  const [stem = 0] = expect.shapeOf(`${TRUNK}.conv_stem.weight`);
  expect.normedConvolution(`${TRUNK}.conv_stem`, `${TRUNK}.bn1`, [stem, 3, 3, 3]);
  const blocks: ConvBlock[] = [];
  let inputs = stem;
  for (const [stage, stride] of STRIDES.entries()) {
    for (let n = 0; expect.has(`${TRUNK}.blocks.${stage}.${n}.conv_dw.weight`); n++) {
      const block = mobileBlock(expect, `${TRUNK}.blocks.${stage}.${n}`, inputs, n === 0 ? stride : 1);
      blocks.push(block);
      inputs = block.outputs;
    }
  }
  const [features = 0] = expect.shapeOf(`${TRUNK}.conv_head.weight`);
  expect.normedConvolution(`${TRUNK}.conv_head`, `${TRUNK}.bn2`, [features, inputs, 1, 1]);

  const [classes = 0, embedding = 0] = expect.shapeOf(`${HEAD}.posterior.class_vectors`);
  const [hidden = 0] = expect.shapeOf(`${HEAD}.mlp.fc1.weight`);
  expect.linear(`${TRUNK}.classifier`, classes, features);
  expect.shape(`${HEAD}.posterior.class_vectors`, [classes, embedding]);
  expect.shape(`${HEAD}.posterior.scale`, []);
  expect.linear(`${HEAD}.mlp.fc1`, hidden, features);
  expect.shape(`${HEAD}.mlp.fc2.weight`, [embedding, hidden]);

  const imageSize = config.whole('image_size');
  if (imageSize === undefined || imageSize === 0) {
    throw new ModelError(`config.json in ${root.folder} does not say image_size`, unsupported);
  }
  // Each stride rounds up: TensorFlow's padding.
  const grid = blocks.reduce((side, { stride }) => Math.ceil(side / stride), Math.ceil(imageSize / 2));
  const sizes = { imageSize, grid, patch: imageSize / grid };
  return { image: { kind: 'efficientnet-lite', ...sizes, stem, blocks, features, classes, hidden }, embedding };
}

function mobileBlock(expect: Expectation, name: string, inputs: number, stride: 1 | 2): ConvBlock {
  const [wide = 0, , kernel = 0] = expect.shapeOf(`${name}.conv_dw.weight`);
  const expands = expect.has(`${name}.conv_pwl.weight`);
  const last = expands ? 'conv_pwl' : 'conv_pw';
  const [outputs = 0] = expect.shapeOf(`${name}.${last}.weight`);
  if (expands) expect.normedConvolution(`${name}.conv_pw`, `${name}.bn1`, [wide, inputs, 1, 1]);
  expect.normedConvolution(`${name}.conv_dw`, `${name}.${expands ? 'bn2' : 'bn1'}`, [wide, 1, kernel, kernel]);
  expect.normedConvolution(`${name}.${last}`, `${name}.${expands ? 'bn3' : 'bn2'}`, [outputs, wide, 1, 1]);
  return { name, stride, inputs, outputs };
}
