import type { Architecture } from '../checkpoint/architecture.ts';
import type { Checkpoint } from '../checkpoint/safetensors.ts';
import type { Env } from '../disk/environment.ts';
import type { Preprocessing } from '../image/preprocess.ts';
import type { GraphFiles } from '../onnx/encoders.ts';
import type { Port } from '../onnx/ports.ts';
import type { TextShape, Tokenizer } from '../text/tokenizer.ts';
import type { Dtype } from './choices.ts';
import type { ReadyMade } from './ready-made.ts';
import type { GraphSource } from './session.ts';
import type { ImageWiring, TextWiring, Wiring } from './wiring.ts';

/** How cosines become scores: `softmax(logitScale · cosine)`, or with a bias `sigmoid(logitScale · cosine + logitBias)`. */
export interface Scoring {
  /** exp of the learned temperature. */
  readonly logitScale: number;
  /** SigLIP's trained bias. CLIP has none. */
  readonly logitBias?: number;
}

/** An encoder: its graph, and how it is fed. */
export interface EncoderGraph<W> {
  readonly graph: GraphSource;
  readonly wiring: Wiring & W;
}

/** Both encoders. A joint graph contains both, and `logits` is its output `[images, texts]`. */
export interface EncoderGraphs {
  readonly image: EncoderGraph<{ readonly image: ImageWiring }>;
  readonly text: EncoderGraph<{ readonly text: TextWiring }>;
  readonly logits?: Port | undefined;
}

/** What a model folder contains. */
export type Contents =
  | {
      readonly kind: 'checkpoint';
      readonly checkpoint: Checkpoint;
      readonly architecture: Architecture;
      graphFiles(): Promise<GraphFiles>;
    }
  | { readonly kind: 'onnx'; readonly readyMade: ReadyMade };

/** What a model is: everything except its running graphs. Nothing later reads the folder to find out more about its kind. */
export interface ModelDescription {
  readonly name: string;
  readonly folder: string;
  /** Precision of the weights: fp32, fp16 or int8, or of an ONNX model another one, such as q4. */
  readonly dtype: string;
  readonly contents: Contents;
  readonly preprocessing: Preprocessing;
  readonly tokens: TextShape;
  /** From the checkpoint or, for ONNX models, from the model card. Undefined if neither has it; a joint graph is then measured. */
  readonly scoring: Scoring | undefined;
  graphs(): Promise<EncoderGraphs>;
  tokenizer(): Promise<Tokenizer>;
  /** The file with the weights of the image encoder. */
  readonly weightFile: string;
}

export interface DescribeOptions {
  /**
   * Precision of the weights: a checkpoint is converted, and an ONNX model must have a file of this precision.
   * @default 'fp32'; what an ONNX model without fp32 has
   */
  readonly dtype?: Dtype;
  /** Environment variables that say where the cache folder is. @default those of the process */
  readonly env?: Env;
  /** Called if nothing can be cached. The run continues, but takes longer. */
  readonly onCacheTrouble?: (error: unknown) => void;
}
