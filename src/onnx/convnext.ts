import type { ConvNext } from '../checkpoint/architecture.ts';
import { linear } from './blocks.ts';
import { convolution } from './convolution.ts';
import type { GraphBuilder, Value } from './graph.ts';

const TRUNK = 'visual.trunk';
const HEAD = 'visual.head';

/** ConvNeXt as image graph: `pixels [B, 3, S, S] → output [B, D]` */
export function convNextGraph(g: GraphBuilder, image: ConvNext, pixels: Value, output: Value): void {
  const map = convNextMap(g, image, pixels); // [B, grid, grid, width]
  convNextHead(g, image, g.node('ReduceMean', [map, g.int64s(1, 2)], { keepdims: { int: 0 } }), output);
}

/**
 * The feature map of ConvNeXt, channels last: `[B, grid, grid, width]` (Liu et al. 2022, section 2). Between its depthwise
 * convolutions a block works on each pixel alone, so channels are moved behind the pixels for norms and products.
 */
export function convNextMap(g: GraphBuilder, image: ConvNext, pixels: Value): Value {
  const { depths, epsilon } = image;
  let x = norm(
    g,
    `${TRUNK}.stem.1`,
    channelsLast(g, convolution(g, `${TRUNK}.stem.0`, pixels, { stride: 4 })),
    epsilon,
  );
  for (const [n, depth] of depths.entries()) {
    const stage = `${TRUNK}.stages.${n}`;
    if (n > 0) x = narrow(g, `${stage}.downsample`, x, epsilon);
    for (let b = 0; b < depth; b++) x = block(g, `${stage}.blocks.${b}`, x, image);
  }
  return x;
}

/** Half the side, more channels. */
function narrow(g: GraphBuilder, name: string, x: Value, epsilon: number): Value {
  const normed = norm(g, `${name}.0`, x, epsilon);
  return channelsLast(g, convolution(g, `${name}.1`, channelsFirst(g, normed), { stride: 2 }));
}

/** `x + γ · mlp(norm(7 × 7 on each channel))` */
function block(g: GraphBuilder, name: string, x: Value, { epsilon }: ConvNext): Value {
  const mixed = convolution(g, `${name}.conv_dw`, channelsFirst(g, x), { padding: 3, depthwise: true });
  const normed = norm(g, `${name}.norm`, channelsLast(g, mixed), epsilon);
  const hidden = g.node('Gelu', [product(g, `${name}.mlp.fc1`, normed)]);
  const scaled = g.node('Mul', [product(g, `${name}.mlp.fc2`, hidden), g.weight(`${name}.gamma`)]);
  return g.node('Add', [x, scaled]);
}

/** Pooled features `[N, width]` → `output [N, D]` */
export function convNextHead(g: GraphBuilder, { projection, epsilon }: ConvNext, pooled: Value, output: Value): void {
  const normed = norm(g, `${TRUNK}.head.norm`, pooled, epsilon);
  if (projection === 'linear') linear(g, `${HEAD}.proj`, normed, 'symmetric', output);
  else linear(g, `${HEAD}.mlp.fc2`, g.node('Gelu', [linear(g, `${HEAD}.mlp.fc1`, normed)]), 'symmetric', output);
}

/** A linear layer on the last axis of a map. The checkpoint stores it as a 1 × 1 convolution or as a linear layer. */
function product(g: GraphBuilder, name: string, x: Value): Value {
  const { shape } = g.checkpoint.tensor(`${name}.weight`);
  const [outputs = 0, inputs = 0] = shape;
  const weight =
    shape.length === 2
      ? g.weight(`${name}.weight`)
      : g.node('Reshape', [g.weight(`${name}.weight`), g.int64s(outputs, inputs)]);
  const transposed = g.node('Transpose', [weight], { perm: { ints: [1, 0] } }); // a constant, computed once
  return g.node('Add', [g.node('MatMul', [x, transposed]), g.weight(`${name}.bias`)]);
}

function norm(g: GraphBuilder, name: string, x: Value, epsilon: number): Value {
  return g.node('LayerNormalization', [x, g.weight(`${name}.weight`), g.weight(`${name}.bias`)], {
    epsilon: { float: epsilon },
  });
}

function channelsLast(g: GraphBuilder, x: Value): Value {
  return g.node('Transpose', [x], { perm: { ints: [0, 2, 3, 1] } });
}

function channelsFirst(g: GraphBuilder, x: Value): Value {
  return g.node('Transpose', [x], { perm: { ints: [0, 3, 1, 2] } });
}
