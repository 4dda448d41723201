import { ClipError, ImageError, type ImageErrorCode, messageOf, type PlainError } from '../errors.ts';
import type { DecodeOptions } from '../image/decode-options.ts';
import type { ImageSource } from '../image/source.ts';
import type { Dtype, Provider } from '../model/choices.ts';
import type { Phase } from './encoder.ts';
import type { Execution } from './image-graph.ts';
import type { EncodedPart, LabelPrompts, LabelRows } from './labels.ts';
import type { Workload } from './local.ts';

/** Exit code of a worker process that gets no more memory. */
export const OUT_OF_MEMORY = 71;
/** Exit code of a worker process that gets no more threads. */
export const OUT_OF_THREADS = 72;

/** What a worker process needs to open the same model. */
export interface Setup extends Execution, Workload {
  readonly model: string;
  /** The requested precision. */
  readonly dtype?: Dtype;
}

/** A task about texts. */
export type Task =
  /** Encode these labels. */
  | {
      readonly kind: 'labels';
      readonly setup: Setup;
      readonly prompts: LabelPrompts;
      /** More labels will follow: the text graph stays open. */
      readonly keep: boolean;
    }
  /** Measure the logit scale of a joint graph. */
  | { readonly kind: 'scale'; readonly setup: Setup };

/** The first request to a worker process. */
export type Opening =
  /** Images will follow. */
  { readonly kind: 'open'; readonly setup: Setup } | Task;

/** A request to a worker process. */
export type Request =
  | Opening
  | { readonly kind: 'encode'; readonly id: number; readonly source: ImageSource; readonly options: DecodeOptions };

/** A reply of a worker process. An embedding is a few kilobytes. Pixels are never sent. */
export type Reply =
  | { readonly kind: 'open'; readonly provider: Provider }
  | { readonly kind: 'failed'; readonly error: PlainError }
  /** Texts are about to be run. */
  | { readonly kind: 'alive' }
  /** Some labels. */
  | { readonly kind: 'labels'; readonly part: EncodedPart }
  /** All labels. */
  | { readonly kind: 'rows'; readonly rows: LabelRows }
  | { readonly kind: 'scale'; readonly logitScale: number }
  | JobReply;

/** A reply about one image. */
export type JobReply =
  | { readonly kind: 'phase'; readonly id: number; readonly phase: Phase }
  | {
      readonly kind: 'embedding';
      readonly id: number;
      readonly embedding: Float32Array;
      readonly notes?: readonly string[] | undefined;
    }
  | { readonly kind: 'bad image'; readonly id: number; readonly error: PlainError };

export function toPlain(error: unknown): PlainError {
  if (error instanceof ClipError) return { code: error.code, fact: error.fact, nextStep: error.nextStep };
  return {
    code: 'E_MODEL',
    fact: `the process that encodes images failed: ${messageOf(error)}`,
    nextStep: 'run clip-classify doctor to check this machine',
  };
}

export function imageErrorOf({ code, fact, nextStep }: PlainError): ImageError {
  return new ImageError(code as ImageErrorCode, fact, nextStep);
}
