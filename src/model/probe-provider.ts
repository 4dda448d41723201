import { Checkpoint } from '../checkpoint/safetensors.ts';
import { ClipError, messageOf } from '../errors.ts';
import { GraphBuilder } from '../onnx/graph.ts';
import { openSession } from './session.ts';

/** The result of running a provider. */
export interface Probe {
  readonly state: 'runs' | 'computes wrongly' | 'cannot run';
  readonly detail: string;
}

/** Runs a small graph on one provider. A bad driver may crash the process. */
export async function probeProvider(provider: string): Promise<Probe> {
  try {
    const session = await openSession(
      { bytes: probeGraph(), weights: { folder: '' } },
      { provider, threads: 1, device: 0 },
    );
    const [y] = await session.run({ x: { type: 'float32', data: Float32Array.of(1, 2, 3, 4), shape: [1, 4] } }, ['y']);
    await session.release();
    const result = y?.data[0];
    if (result === 30) return { state: 'runs', detail: 'runs' };
    return { state: 'computes wrongly', detail: `returns ${result} instead of 30` };
  } catch (error) {
    return { state: 'cannot run', detail: error instanceof ClipError ? error.fact : messageOf(error) };
  }
}

/** A graph without weights, `x [1, 4] → x · xᵀ [1, 1]`: enough to check whether a provider works. */
export function probeGraph(): Uint8Array {
  const g = new GraphBuilder('probe', new Checkpoint('', new Map(), new Uint8Array()));
  g.node('Gemm', ['x', 'x'], { transB: { int: 1 } }, 'y');
  return g.finish([{ name: 'x', type: 'F32', shape: [1, 4] }], [{ name: 'y', type: 'F32', shape: [1, 1] }]);
}
