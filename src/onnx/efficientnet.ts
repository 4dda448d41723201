import type { ConvBlock, EfficientNetLite } from '../checkpoint/architecture.ts';
import { linear } from './blocks.ts';
import { normedConvolution, type Strides } from './convolution.ts';
import type { GraphBuilder, Value } from './graph.ts';

const TRUNK = 'visual.trunk';
const HEAD = 'visual.head';
/** TensorFlow's default for batch normalisation, which timm's `tf_` models use. */
const EPSILON = 1e-3;

/** EfficientNet-Lite as image graph: `pixels [B, 3, S, S] → output [B, D]` */
export function efficientNetGraph(g: GraphBuilder, image: EfficientNetLite, pixels: Value, output: Value): void {
  const map = efficientNetMap(g, image, pixels);
  efficientNetHead(g, g.reshape(g.node('GlobalAveragePool', [map]), ['batch', image.features]), output);
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

/** How much the likeness of names counts, next to what the trunk sees in the whole picture (docs/explain.md). */
const LIKENESS = 20;

/**
 * How much each cell of the map supports a text: a class activation map (Zhou et al. 2016) of those classes of the trunk that the
 * picture suggests and whose names are like the text, less the mean of all classes:
 * `cells · Wᵀ · (softmax(20 · T · t + m) − 1/K)` with the logits m of the whole picture. No gradient is needed.
 *
 * @param cells [grid², features]
 * @param text [1, D], unit length
 */
export function efficientNetActivation(g: GraphBuilder, cells: Value, text: Value, output: Value): void {
  const names = g.node('LpNormalization', [g.weight(`${HEAD}.posterior.class_vectors`)], {
    axis: { int: 1 },
    p: { int: 2 },
  });
  const likeness = g.node('MatMul', [text, g.node('Transpose', [names], { perm: { ints: [1, 0] } })]); // [1, K]
  const logits = linear(g, `${TRUNK}.classifier`, cells); // [grid², K]
  const seen = g.node('ReduceMean', [logits, g.int64s(0)]); // [1, K]
  const share = g.node('Softmax', [g.node('Add', [g.node('Mul', [likeness, g.scalar('F32', LIKENESS)]), seen])]);
  const speaking = g.node('MatMul', [logits, g.node('Transpose', [share], { perm: { ints: [1, 0] } })]); // [grid², 1]
  g.node('Sub', [speaking, g.node('ReduceMean', [logits, g.int64s(1)])], {}, output);
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

/** With TensorFlow's padding. */
function normed(g: GraphBuilder, conv: string, norm: string, x: Value, strides: Strides = {}): Value {
  return normedConvolution(g, conv, norm, EPSILON, x, { ...strides, padding: 'same' });
}

function relu6(g: GraphBuilder, x: Value): Value {
  return g.node('Clip', [x, g.scalar('F32', 0), g.scalar('F32', 6)]);
}
