import { usableCores } from '../disk/machine.ts';
import type { ProviderChoice } from '../model/choices.ts';
import type { DescribeOptions, ModelDescription, Scoring } from '../model/description.ts';
import type { LabelProcess } from './apart.ts';
import type { ImageEncoder } from './encoder.ts';
import { openImageGraph } from './image-graph.ts';
import { keepingOf, processesFor, textsKeptFor } from './keeping.ts';
import { encodeLabels, type LabelEncoder, type TextEncoder } from './labels.ts';
import { encodeInProcess } from './local.ts';
import { chooseScoring, measureLogitScale, type ScoringOptions } from './scoring.ts';
import { withTextGraph } from './text-graph.ts';

export interface EncoderOptions extends DescribeOptions, ScoringOptions {
  /** Threads of inference. With `isolate`, two worker processes share them. @default all cores that this process may use */
  readonly threads?: number;
  /** Execution provider of onnxruntime; `auto` is the best one that works. @default 'auto' */
  readonly provider?: ProviderChoice;
  /** Number of the GPU. @default 0 */
  readonly device?: number;
  /** Images of one inference; scores do not depend on it. @default 8 */
  readonly batch?: number;
  /**
   * Encodes images in worker processes, which are killed and replaced if an image crashes one or makes no progress. There are
   * two if there is more than one thread and memory for two copies of the weights. A foreign model (ONNX files, or a tokenizer
   * with patterns of its own) encodes its labels in such a process too, because it may never end. `'foreign'`: only a foreign
   * model is isolated, in one process.
   * @default false
   */
  readonly isolate?: boolean | 'foreign';
  /**
   * Labels will come again and again: with `isolate`, a worker process encodes them. Its text graph is opened at once, and stays open for
   * five minutes after each use.
   * @default false
   */
  readonly manyLabels?: boolean;
  /** Few images will be encoded: the graph opens sooner and runs slower. @default false */
  readonly few?: boolean;
  /** Seconds without progress after which a worker process counts as stuck; a slow model gets more. @default 10 */
  readonly timeout?: number;
  /** Called with what users may want to know about the run: too little memory for two worker processes. */
  readonly onNote?: (message: string) => void;
  /** Ends the encoding of images: its reason is thrown, and worker processes are killed at once. */
  readonly signal?: AbortSignal;
}

/** Images that a process decodes at once: each takes a thread of Node's pool and one of libvips'. */
const DECODERS = 4;
/** Batches in progress in each process: one that runs, one that is ready, one that is being prepared. */
const BATCHES_AHEAD = 3;

/** The encoders of a model. Their graphs are opened when they are first needed. */
export interface Encoders {
  readonly scoring: Scoring;
  readonly images: ImageEncoder;
  /** Images to have in progress at once, so that no process waits. */
  readonly ahead: number;
  readonly texts: TextEncoder;
  readonly labels: LabelEncoder;
  /** Ends the worker process that encodes labels, if there is one. */
  releaseLabels(): Promise<void>;
}

/**
 * Makes the encoders of a model: in this process, or in worker processes with `isolate`.
 *
 * @param name the name or folder by which worker processes find the model
 * @throws ModelError if the logit scale is unknown
 */
export async function openEncoders(model: ModelDescription, name: string, options: EncoderOptions): Promise<Encoders> {
  const { threads = usableCores(), provider = 'auto', device = 0, dtype, batch = 8, isolate = false } = options;
  const execution = { threads, provider, device, once: options.few ?? false };
  const setup = { ...execution, model: name, ...(dtype && { dtype }), batch, decoders: DECODERS };
  const keeping = isolate ? await keepingOf(model, options) : undefined;
  const isForeign = model.contents.kind === 'onnx';
  const scoring = await chooseScoring(model, options, async () =>
    keeping && isForeign
      ? (await import('./apart.ts')).measureLogitScaleApart(setup, keeping)
      : measureLogitScale(model, threads),
  );
  const processes = isolate === true && keeping ? processesFor(keeping, options.onNote) : 1;
  const images =
    keeping && (isolate === true || isForeign)
      ? (await import('./parallel.ts')).encodeInProcesses(setup, keeping, processes)
      : encodeInProcess(model, () => openImageGraph(model, execution), setup);
  const texts: TextEncoder = {
    tokenizer: model.tokenizer,
    withTextGraph: (use, prompts) => withTextGraph(model, execution, use, prompts),
  };
  const areMany = isolate === true && options.manyLabels === true;
  const keptMs = areMany && keeping ? textsKeptFor(keeping, processes) : 0;
  let worker: Promise<LabelProcess> | undefined;
  const labels: LabelEncoder = async (prompts, onPart) => {
    if (!keeping || !(areMany || isForeign || (await model.tokenizer()).isForeign))
      return encodeLabels(texts, prompts, onPart);
    worker ??= import('./apart.ts').then(({ LabelProcess }) => new LabelProcess(setup, keeping, keptMs));
    return (await worker).encodeLabels(prompts, onPart);
  };
  if (keptMs > 0) labels([['a photo']]).catch(() => {}); // opens the text graph; the next labels report a failure
  return {
    scoring,
    images,
    ahead: processes * BATCHES_AHEAD * Math.max(batch, DECODERS),
    texts,
    labels,
    releaseLabels: async () => (await worker)?.release(),
  };
}
