import type { ModifiedResNet } from '../checkpoint/architecture.ts';
import { linear } from './blocks.ts';
import { normedConvolution, type Strides } from './convolution.ts';
import type { GraphBuilder, Value } from './graph.ts';

const MODEL = 'visual';
const POOL = `${MODEL}.attnpool`;
/** PyTorch's default for batch normalisation. */
const EPSILON = 1e-5;

/** CLIP's ResNet as image graph: `pixels [B, 3, S, S] → output [B, D]` */
export function resNetGraph(g: GraphBuilder, image: ModifiedResNet, pixels: Value, output: Value): void {
  attentionPool(g, image, resNetMap(g, image, pixels), output);
}

/**
 * The feature map of CLIP's ResNet, `[B, 32 · width, grid, grid]`: three convolutions as stem, and wherever a ResNet has a
 * stride, an average over the pixels before it (He et al. 2019, ResNet-D; Zhang 2019; Radford et al. 2021, section 2.4).
 */
export function resNetMap(g: GraphBuilder, image: ModifiedResNet, pixels: Value): Value {
  let x = relu(g, normed(g, MODEL, 1, pixels, { stride: 2, padding: 1 }));
  x = relu(g, normed(g, MODEL, 2, x, { padding: 1 }));
  x = average(g, relu(g, normed(g, MODEL, 3, x, { padding: 1 })));
  for (const [n, blocks] of image.layers.entries()) {
    for (let b = 0; b < blocks; b++) x = bottleneck(g, `${MODEL}.layer${n + 1}.${b}`, x, n > 0 && b === 0);
  }
  return x;
}

function bottleneck(g: GraphBuilder, name: string, x: Value, halves: boolean): Value {
  const narrow = relu(g, normed(g, name, 1, x));
  const seen = relu(g, normed(g, name, 2, narrow, { padding: 1 }));
  const wide = normed(g, name, 3, halves ? average(g, seen) : seen);
  const down = `${name}.downsample`;
  const shortcut = g.checkpoint.has(`${down}.0.weight`)
    ? normedConvolution(g, `${down}.0`, `${down}.1`, EPSILON, halves ? average(g, x) : x)
    : x;
  return relu(g, g.node('Add', [wide, shortcut]));
}

/** Attention pooling: the query is the mean of all cells, keys and values are the cells and the mean. `output [B, D]` */
function attentionPool(g: GraphBuilder, { width, grid, heads }: ModifiedResNet, map: Value, output: Value): void {
  const features = 32 * width;
  const cells = g.node('Transpose', [g.reshape(map, ['batch', features, grid ** 2])], { perm: { ints: [0, 2, 1] } });
  const mean = g.node('ReduceMean', [cells, g.int64s(1)]); // [B, 1, features]
  const tokens = g.node('Concat', [mean, cells], { axis: { int: 1 } });
  const x = g.node('Add', [tokens, g.weight(`${POOL}.positional_embedding`)]); // [B, T, features]
  const rows = g.reshape(x, ['rows', features]);
  const asking = g.reshape(g.node('Gather', [x, g.int64s(0)], { axis: { int: 1 } }), ['batch', features]);
  const part = (name: string, from: Value, tokens: number) =>
    g.reshape(linear(g, `${POOL}.${name}`, from), ['batch', tokens, features]);
  const attended = g.node(
    'com.microsoft.MultiHeadAttention',
    [part('q_proj', asking, 1), part('k_proj', rows, grid ** 2 + 1), part('v_proj', rows, grid ** 2 + 1)],
    { num_heads: { int: heads } },
  );
  linear(g, `${POOL}.c_proj`, g.reshape(attended, ['batch', features]), 'symmetric', output);
}

/** The pooling with attention to one cell only, `[N, features] → [N, D]`. */
export function resNetCells(g: GraphBuilder, { grid }: ModifiedResNet, cells: Value, output: Value): void {
  const positions = g.node('Slice', [g.weight(`${POOL}.positional_embedding`), g.int64s(1), g.int64s(grid ** 2 + 1)]);
  const values = linear(g, `${POOL}.v_proj`, g.node('Add', [cells, positions]));
  linear(g, `${POOL}.c_proj`, values, 'symmetric', output);
}

function normed(g: GraphBuilder, name: string, n: 1 | 2 | 3, x: Value, strides: Strides = {}): Value {
  return normedConvolution(g, `${name}.conv${n}`, `${name}.bn${n}`, EPSILON, x, strides);
}

function relu(g: GraphBuilder, x: Value): Value {
  return g.node('Relu', [x]);
}

/** The mean of each 2 × 2 pixels. */
function average(g: GraphBuilder, x: Value): Value {
  return g.node('AveragePool', [x], { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } });
}
