import type { Transformer } from '../../checkpoint/architecture.ts';
import type { Checkpoint } from '../../checkpoint/safetensors.ts';

/** A stage of an encoder: its output shape and its learned tensors. */
export interface Stage {
  readonly name: string;
  readonly detail: string;
  /** The shape of the output; B is the batch, T the length of its longest prompt. */
  readonly shape: readonly (number | string)[];
  readonly parameters: number;
  /** As stored in the checkpoint. */
  readonly bytes: number;
}

/** Makes a stage. Without a pattern it has no parameters. @param tensors patterns of the names of its tensors */
export type MakeStage = (name: string, detail: string, shape: Stage['shape'], tensors?: RegExp) => Stage;

/** Stages whose parameters are those of a checkpoint. */
export function stagesOf(checkpoint: Checkpoint): MakeStage {
  return (name, detail, shape, tensors) => ({ name, detail, shape, ...weigh(checkpoint, tensors) });
}

function weigh(checkpoint: Checkpoint, pattern: RegExp | undefined): Pick<Stage, 'parameters' | 'bytes'> {
  const own = [...checkpoint.tensors.values()].filter(({ name }) => pattern?.test(name));
  return {
    parameters: own.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0),
    bytes: own.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** The residual attention blocks of a transformer. @param model the prefix of its tensors */
export function blockStages(stage: MakeStage, model: string, config: Transformer, tokens: number | string): Stage[] {
  const { layers, heads, width, mlpWidth, activation } = config;
  const shape = ['B', tokens, width];
  const part = (names: string) => new RegExp(`^${model}\\.encoder\\.layers\\..*\\.(${names})\\.`, 'u');
  return [
    stage(`${layers} × attention`, `${heads} heads of ${width / heads}`, shape, part('self_attn|layer_norm1|ls_1')),
    stage(`${layers} × mlp`, `${width} → ${mlpWidth} → ${width}, ${activation}`, shape, part('mlp|layer_norm2|ls_2')),
  ];
}
