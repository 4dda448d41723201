import type { Architecture, ConvBlock, EfficientNetLite } from '../checkpoint/architecture.ts';
import type { Checkpoint } from '../checkpoint/safetensors.ts';
import { linear } from './blocks.ts';
import { normedConvolution, type Strides } from './convolution.ts';
import { GraphBuilder, type Value } from './graph.ts';

const TRUNK = 'visual.trunk';
const HEAD = 'visual.head';
/** TensorFlow's padding, which timm's `tf_` models use. */
const EPSILON = 1e-3;

/** EfficientNet-Lite as image tower: `pixel_values [B, 3, S, S] → image_embeds [B, D]`, not yet unit length. */
export function efficientNetGraph(
  checkpoint: Checkpoint,
  image: EfficientNetLite,
  { embedding }: Architecture,
): Uint8Array {
  const g = new GraphBuilder('efficientnet image tower', checkpoint);
  const map = efficientNetMap(g, image, 'pixel_values');
  const features = g.reshape(g.node('GlobalAveragePool', [map]), ['batch', image.features]);
  efficientNetHead(g, features, 'image_embeds');
  return g.finish(
    [{ name: 'pixel_values', type: 'F32', shape: ['batch', 3, image.imageSize, image.imageSize] }],
    [{ name: 'image_embeds', type: 'F32', shape: ['batch', embedding] }],
  );
}

/**
 * Features `f [N, features]` → the text space, `output [N, D]`: the mean of the text embeddings of the trunk's own classes, weighted by
 * their probabilities (Norouzi et al. 2014), plus a correction that was learned from other names:
 * `s · unit(softmax(classifier(f)) · T) + W₂ gelu(W₁ f)`.
 */
export function efficientNetHead(g: GraphBuilder, features: Value, output: Value): void {
  const posterior = g.node('Softmax', [linear(g, `${TRUNK}.classifier`, features)]);
  const seen = g.node('MatMul', [posterior, g.weight(`${HEAD}.posterior.class_vectors`)]);
  const direction = g.node('LpNormalization', [seen], { axis: { int: 1 }, p: { int: 2 } });
  const scaled = g.node('Mul', [direction, g.weight(`${HEAD}.posterior.scale`)]);
  const hidden = g.node('Gelu', [linear(g, `${HEAD}.mlp.fc1`, features)]);
  g.node('Add', [scaled, linear(g, `${HEAD}.mlp.fc2`, hidden)], {}, output);
}

/**
 * The feature map of EfficientNet-Lite: `pixels [B, 3, S, S] → [B, features, grid, grid]` (Tan & Le 2019, table 1). The lite
 * models have neither squeeze and excitation nor swish: `min(max(x, 0), 6)` suits any processor.
 */
export function efficientNetMap(g: GraphBuilder, image: EfficientNetLite, pixels: Value): Value {
  let x = relu6(g, normed(g, `${TRUNK}.conv_stem`, `${TRUNK}.bn1`, pixels, { stride: 2 }));
  for (const block of image.blocks) x = mobileBlock(g, block, x);
  return relu6(g, normed(g, `${TRUNK}.conv_head`, `${TRUNK}.bn2`, x));
}

/** A mobile inverted bottleneck: wider by a 1 × 1 convolution, a filter on each channel, narrower again (Sandler et al. 2018). */
function mobileBlock(g: GraphBuilder, { name, stride, inputs, outputs }: ConvBlock, x: Value): Value {
  const expands = g.checkpoint.has(`${name}.conv_pwl.weight`);
  const [first, second, last] = expands
    ? (['conv_pw', 'conv_dw', 'conv_pwl'] as const)
    : ([undefined, 'conv_dw', 'conv_pw'] as const);
  const norm = (n: number) => `${name}.bn${expands ? n + 1 : n}`;
  const wide = first === undefined ? x : relu6(g, normed(g, `${name}.${first}`, norm(0), x));
  const filtered = relu6(g, normed(g, `${name}.${second}`, norm(1), wide, { stride, depthwise: true }));
  const narrow = normed(g, `${name}.${last}`, norm(2), filtered);
  return stride === 1 && inputs === outputs ? g.node('Add', [narrow, x]) : narrow;
}

function normed(g: GraphBuilder, conv: string, norm: string, x: Value, strides: Strides = {}): Value {
  return normedConvolution(g, conv, norm, EPSILON, x, { ...strides, padding: 'same' });
}

function relu6(g: GraphBuilder, x: Value): Value {
  return g.node('Clip', [x, g.scalar('F32', 0), g.scalar('F32', 6)]);
}
