import { ModelError } from '../errors.ts';
import type { Checkpoint } from './safetensors.ts';

/** The next step for a checkpoint of another architecture. */
export const unsupported =
  'supported are CLIP and SigLIP checkpoints with the tensor names of Hugging Face or open_clip';

const FLOATS: readonly string[] = ['F32', 'F16', 'BF16'];

/** Tensors that no graph needs: buffers of older exports, and the logit scale and bias, which are read separately. */
const UNUSED = /(^|\.)(position_ids|token_type_ids|attn_mask|num_batches_tracked|logit_scale|logit_bias)$/u;

/** Compares a checkpoint with an architecture tensor by tensor, and checks at the end that no tensor is left over. */
export class Expectation {
  private readonly known = new Set<string>();

  constructor(private readonly checkpoint: Checkpoint) {}

  has(name: string): boolean {
    return this.checkpoint.has(name);
  }

  shapeOf(name: string): readonly number[] {
    return this.checkpoint.tensor(name).shape;
  }

  shape(name: string, shape: readonly number[]): void {
    const entry = this.checkpoint.tensor(name);
    if (entry.shape.length !== shape.length || entry.shape.some((size, i) => size !== shape[i] || size === 0)) {
      throw new ModelError(
        `${name} has shape [${entry.shape.join(', ')}], the other tensors require [${shape.join(', ')}]`,
        unsupported,
      );
    }
    if (entry.dtype === 'I8' && shape.length === 2 && this.has(`${name}_scale`)) {
      this.shape(`${name}_scale`, shape.slice(0, 1)); // rows of 8-bit numbers, each row with its own scale
    } else if (!FLOATS.includes(entry.dtype)) {
      throw new ModelError(`${name} is stored as ${entry.dtype}`, `save the checkpoint as one of ${FLOATS.join(', ')}`);
    }
    this.known.add(name);
  }

  linear(name: string, rows: number, columns: number): void {
    this.shape(`${name}.weight`, [rows, columns]);
    this.shape(`${name}.bias`, [rows]);
  }

  norm(name: string, width: number): void {
    this.shape(`${name}.weight`, [width]);
    this.shape(`${name}.bias`, [width]);
  }

  /** A batch normalisation in its form after training. */
  batchNorm(name: string, width: number): void {
    this.norm(name, width);
    for (const part of ['running_mean', 'running_var']) this.shape(`${name}.${part}`, [width]);
  }

  /** A convolution without a bias, and its batch normalisation. */
  normedConvolution(name: string, norm: string, shape: readonly [number, number, number, number]): void {
    this.shape(`${name}.weight`, shape);
    this.batchNorm(norm, shape[0]);
  }

  attention(name: string, width: number, bias = true): void {
    for (const part of ['q_proj', 'k_proj', 'v_proj']) {
      this.shape(`${name}.${part}.weight`, [width, width]);
      if (bias) this.shape(`${name}.${part}.bias`, [width]);
    }
    this.linear(`${name}.out_proj`, width, width);
  }

  mlp(name: string, width: number, hidden: number): void {
    this.linear(`${name}.fc1`, hidden, width);
    this.linear(`${name}.fc2`, width, hidden);
  }

  /** Refuses a checkpoint with an unknown tensor, because its results would be wrong without it. */
  nothingElse(): void {
    const rest = [...this.checkpoint.tensors.keys()].find((name) => !this.known.has(name) && !UNUSED.test(name));
    if (rest !== undefined) throw new ModelError(`${this.checkpoint.file} has the unknown tensor ${rest}`, unsupported);
  }
}
