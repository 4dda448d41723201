import type { EvaluationFormat } from '../../output/evaluation.ts';
import type { ImageRunOptions } from '../image-run.ts';
import type { WalkOptions } from '../options/input-options.ts';
import type { LabelOptions, ScoreOptions } from '../options/label-options.ts';

export interface EvalOptions extends WalkOptions, LabelOptions, Omit<ScoreOptions, 'multiLabel'>, ImageRunOptions {
  readonly format?: EvaluationFormat;
  readonly output?: readonly string[];
  readonly compare?: string;
  readonly imageColumn?: string;
  readonly labelColumn?: string;
  readonly calibrate?: boolean;
  readonly precision?: number;
}
