import { Checkpoint } from '../checkpoint/safetensors.ts';
import { GraphBuilder } from './graph.ts';

/** A graph without weights, `x [1, 4] → x · xᵀ [1, 1]`: enough to check whether a provider works. */
export function probeGraph(): Uint8Array {
  const g = new GraphBuilder('probe', new Checkpoint('', new Map(), new Uint8Array()));
  g.node('Gemm', ['x', 'x'], { transB: { int: 1 } }, 'y');
  return g.finish([{ name: 'x', type: 'F32', shape: [1, 4] }], [{ name: 'y', type: 'F32', shape: [1, 1] }]);
}
