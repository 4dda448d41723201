import type { VisionTransformer } from '../checkpoint/architecture.ts';
import type { GraphBuilder, Value } from './graph.ts';

/** Stride, padding and groups of a convolution. */
export interface Strides {
  readonly stride?: number;
  /** The same on all four sides, or TensorFlow's: the output has `ceil(side / stride)` pixels, and an odd pixel is added below and right. */
  readonly padding?: number | 'same';
  /** Each channel has its own kernel. */
  readonly depthwise?: boolean;
}

/** A convolution without normalisation. `x [B, in, H, W] → [B, out, H', W']` */
export function convolution(g: GraphBuilder, name: string, x: Value, strides: Strides = {}): Value {
  const bias = g.checkpoint.has(`${name}.bias`) ? [g.weight(`${name}.bias`)] : [];
  return convolve(g, [x, g.weight(`${name}.weight`), ...bias], g.checkpoint.tensor(`${name}.weight`).shape, strides);
}

/** `pixels [B, 3, S, S]` → patch embeddings `[B, grid², width]`: a convolution whose stride is the size of a patch. */
export function patchEmbedding(
  g: GraphBuilder,
  name: string,
  pixels: Value,
  { width, grid, patch }: VisionTransformer,
): Value {
  const map = convolution(g, name, pixels, { stride: patch }); // [B, width, grid, grid]
  return g.node('Transpose', [g.reshape(map, ['batch', width, grid * grid])], { perm: { ints: [0, 2, 1] } });
}

/**
 * A convolution and the batch normalisation after it as one convolution: with running mean μ and variance σ²,
 * `γ (w·x − μ) / √(σ² + ε) + β` is a convolution with the kernel `w γ / √(σ² + ε)` and the bias `β − μ γ / √(σ² + ε)`
 * (Ioffe & Szegedy 2015, section 3.1). Both are constants: onnxruntime computes them once, when it opens the graph.
 */
export function normedConvolution(
  g: GraphBuilder,
  conv: string,
  norm: string,
  epsilon: number,
  x: Value,
  strides: Strides = {},
): Value {
  const { shape } = g.checkpoint.tensor(`${conv}.weight`);
  const deviation = g.node('Sqrt', [g.node('Add', [g.weight(`${norm}.running_var`), g.scalar('F32', epsilon)])]);
  const gain = g.node('Div', [g.weight(`${norm}.weight`), deviation]); // [out]
  const perKernel = g.node('Reshape', [gain, g.int64s(-1, ...shape.slice(1).map(() => 1))]);
  const kernel = g.node('Mul', [g.weight(`${conv}.weight`), perKernel]);
  const shift = g.node('Mul', [g.weight(`${norm}.running_mean`), gain]);
  const bias = g.node('Sub', [g.weight(`${norm}.bias`), shift]);
  return convolve(g, [x, kernel, bias], shape, strides);
}

function convolve(
  g: GraphBuilder,
  inputs: readonly Value[],
  [outputs = 0, , height = 0, width = 0]: readonly number[],
  { stride = 1, padding = 0, depthwise = false }: Strides,
): Value {
  return g.node('Conv', inputs, {
    kernel_shape: { ints: [height, width] },
    strides: { ints: [stride, stride] },
    ...(padding === 'same'
      ? { auto_pad: { text: 'SAME_UPPER' } }
      : { pads: { ints: [padding, padding, padding, padding] } }),
    ...(depthwise && { group: { int: outputs } }),
  });
}
