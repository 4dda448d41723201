import type { VisionTransformer } from '../checkpoint/architecture.ts';
import type { GraphBuilder, Value } from './graph.ts';

/**
 * `pixels [B, 3, S, S]` → patch embeddings `[B, grid², width]`: a convolution whose stride is its size.
 */
export function patchEmbedding(g: GraphBuilder, name: string, pixels: Value, image: VisionTransformer): Value {
  const { width, grid, patch } = image;
  const bias = g.checkpoint.has(`${name}.bias`) ? [g.weight(`${name}.bias`)] : [];
  const map = g.node('Conv', [pixels, g.weight(`${name}.weight`), ...bias], {
    kernel_shape: { ints: [patch, patch] },
    strides: { ints: [patch, patch] },
  }); // [B, width, grid, grid]
  return g.node('Transpose', [g.reshape(map, ['batch', width, grid * grid])], {
    perm: { ints: [0, 2, 1] },
  });
}
