import type { ImageTower } from './architecture.ts';
import type { GraphBuilder, Value } from './graph.ts';
import { quantizedLinear } from './quantized-linear.ts';

/**
 * `pixels [B, 3, S, S]` → patch embeddings `[B, grid², width]`: a convolution whose stride is its size or, with a quantised
 * weight, the product that it is, on patches laid out as rows.
 */
export function patchEmbedding(g: GraphBuilder, name: string, pixels: Value, image: ImageTower): Value {
  const { width, grid, patch, imageSize } = image;
  if (g.storedType(`${name}.weight`) === 'I8') {
    const covered = g.int64s(grid * patch, grid * patch);
    const whole =
      grid * patch === imageSize ? pixels : g.node('Slice', [pixels, g.int64s(0, 0), covered, g.int64s(2, 3)]);
    const squares = g.node('Reshape', [whole, g.int64s(-1, 3, grid, patch, grid, patch)]);
    const patches = g.node('Transpose', [squares], { perm: { ints: [0, 2, 4, 1, 3, 5] } });
    const rows = quantizedLinear(g, name, g.node('Reshape', [patches, g.int64s(-1, 3 * patch * patch)]), 'symmetric');
    return g.node('Reshape', [rows, g.int64s(-1, grid * grid, width)]);
  }
  const bias = g.checkpoint.has(`${name}.bias`) ? [g.weight(`${name}.bias`)] : [];
  const map = g.node('Conv', [pixels, g.weight(`${name}.weight`), ...bias], {
    kernel_shape: { ints: [patch, patch] },
    strides: { ints: [patch, patch] },
  }); // [B, width, grid, grid]
  return g.node('Transpose', [g.node('Reshape', [map, g.int64s(0, width, grid * grid)])], {
    perm: { ints: [0, 2, 1] },
  });
}
