import type { Architecture } from '../checkpoint/architecture.ts';
import { storageOf } from '../checkpoint/convert.ts';
import { inferArchitecture } from '../checkpoint/infer.ts';
import type { Checkpoint } from '../checkpoint/safetensors.ts';
import { ModelError } from '../errors.ts';
import { once } from '../once.ts';
import { buildGraph, buildGraphs, builtPorts, type GraphFiles } from '../onnx/encoders.ts';
import { loadTokenizer } from '../text/tokenizer.ts';
import { convertedWeights } from './converted-weights.ts';
import type { DescribeOptions, ModelDescription, Scoring } from './description.ts';
import type { ModelLocation } from './find.ts';
import { readModelFolder, readTokenizerConfig } from './folder.ts';
import { readImport } from './imports.ts';
import { optimizedGraph } from './optimized-graph.ts';
import { parsePreprocessing } from './preprocessing.ts';
import type { Graph } from './session.ts';
import { textShape } from './text-shape.ts';
import { type Wiring, wire } from './wiring.ts';

/**
 * Describes a checkpoint: in the layout of transformers or open_clip, or an imported one.
 *
 * @param location its folder is one that `checkpointFolder` found
 * @throws ModelError naming what is missing, damaged or contradictory
 */
export async function describeCheckpoint(
  { name, folder, imported }: ModelLocation,
  { dtype = 'fp32', env, onCacheTrouble }: DescribeOptions,
): Promise<ModelDescription> {
  const { checkpoint, config, preprocessor, library } = await readModelFolder(folder);
  const architecture = inferArchitecture(checkpoint, config);
  if (dtype === 'int8' && architecture.image.kind !== 'vit') {
    throw new ModelError(
      `${name} has no int8 form: its image encoder is made of convolutions, and only transformers are quantized`,
      'remove `dtype`, or set it to fp16',
    );
  }
  const tokens = textShape({ config, library }, architecture.text, await readTokenizerConfig(folder));
  const stored = async () => (imported === undefined ? undefined : readImport(imported, { checkpoint, architecture }));
  const graphFiles = async () => (await stored()) ?? buildGraphs(checkpoint, architecture);
  const plainGraph = async (encoder: keyof GraphFiles, convolutional: boolean): Promise<Graph> => ({
    bytes: (await stored())?.[encoder] ?? buildGraph(checkpoint, architecture, encoder),
    weights: { folder: checkpoint.folder },
    convolutional,
  });
  const isConvolutional = architecture.image.kind !== 'vit';
  const graph = async (encoder: keyof GraphFiles, provider: string): Promise<Graph> => {
    const storage = storageOf(checkpoint, encoder, dtype);
    const convolutional = encoder === 'image' && isConvolutional;
    if (storage === undefined) {
      const plain = () => plainGraph(encoder, convolutional);
      return convolutional && provider === 'cpu' ? optimizedGraph(checkpoint, plain, env, onCacheTrouble) : plain();
    }
    const converted = await convertedWeights(checkpoint, encoder, storage, env, onCacheTrouble);
    return {
      bytes: buildGraph(converted.checkpoint, architecture, encoder),
      weights: converted.weights,
      convolutional,
    };
  };
  return {
    name,
    folder,
    dtype,
    contents: { kind: 'checkpoint', checkpoint, architecture, graphFiles },
    preprocessing: parsePreprocessing(
      preprocessor,
      architecture.image.imageSize,
      folder,
      library === 'transformers' ? 'down' : 'even',
    ),
    tokens,
    scoring: await readScoring(checkpoint, architecture),
    graphs: once(async () => {
      const ports = builtPorts(architecture);
      const wiring = { ...wire(ports.image, name), ...wire(ports.text, name) } as Required<Wiring>;
      return {
        image: {
          graph: (provider) => graph('image', provider),
          wiring: { image: wiring.image, isConvolutional },
        },
        text: { graph: (provider) => graph('text', provider), wiring: { text: wiring.text } },
      };
    }),
    tokenizer: once(() => loadTokenizer(folder, tokens)),
    weightFile: checkpoint.file,
  };
}

/** The trained scale and bias. `logit_scale_init_value` in a config is only the value at the start of training. */
async function readScoring(checkpoint: Checkpoint, { loss }: Architecture): Promise<Scoring> {
  const logitScale = Math.exp(await checkpoint.scalar('logit_scale'));
  const logitBias = loss === 'sigmoid' ? await checkpoint.scalar('logit_bias') : 0;
  if (!(Number.isFinite(logitScale) && Number.isFinite(logitBias))) {
    throw new ModelError(
      `logit_scale in ${checkpoint.file} is not a finite number`,
      'download or export the checkpoint again',
    );
  }
  return loss === 'sigmoid' ? { logitScale, logitBias } : { logitScale };
}
