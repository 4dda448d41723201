import type { Architecture, ImageTowerConfig, TextTowerConfig } from '../checkpoint/architecture.ts';
import type { Checkpoint } from '../checkpoint/safetensors.ts';
import { bertTextGraph } from './bert.ts';
import { ATTENTION_MASK, clipImageGraph, clipTextGraph } from './clip.ts';
import { convNextGraph } from './convnext.ts';
import { efficientNetGraph } from './efficientnet.ts';
import { DATA_TYPE, GraphBuilder, type GraphPort } from './graph.ts';
import type { GraphPorts, Port } from './ports.ts';
import { resNetGraph } from './resnet.ts';
import { siglipImageGraph } from './siglip.ts';

/** Both graphs as ONNX files. */
export interface GraphFiles {
  readonly image: Uint8Array;
  readonly text: Uint8Array;
}

/** The input and the output of each encoder. */
const [PIXELS, IMAGE_EMBEDS] = ['pixel_values', 'image_embeds'] as const;
const [IDS, TEXT_EMBEDS] = ['input_ids', 'text_embeds'] as const;

interface NamedPorts {
  readonly inputs: readonly GraphPort[];
  readonly outputs: readonly GraphPort[];
}

function imagePorts({ image, embedding }: Architecture): NamedPorts {
  return {
    inputs: [{ name: PIXELS, type: 'F32', shape: ['batch', 3, image.imageSize, image.imageSize] }],
    outputs: [{ name: IMAGE_EMBEDS, type: 'F32', shape: ['batch', embedding] }],
  };
}

function textPorts({ text, embedding }: Architecture): NamedPorts {
  const names = text.kind === 'transformer' && text.masksPadding ? [IDS, ATTENTION_MASK] : [IDS];
  return {
    inputs: names.map((name) => ({ name, type: 'I64', shape: ['batch', 'tokens'] })),
    outputs: [{ name: TEXT_EMBEDS, type: 'F32', shape: ['batch', embedding] }],
  };
}

/** The inputs and outputs of both graphs, as {@link buildGraphs} writes them. */
export function builtPorts(architecture: Architecture): { readonly image: GraphPorts; readonly text: GraphPorts } {
  const port = ({ name, type, shape }: GraphPort): Port => ({ name, elementType: DATA_TYPE[type], shape });
  const ports = ({ inputs, outputs }: NamedPorts) => ({ inputs: inputs.map(port), outputs: outputs.map(port) });
  return { image: ports(imagePorts(architecture)), text: ports(textPorts(architecture)) };
}

/** One of the graphs of {@link buildGraphs}. @param checkpoint contains at least the tensors of that encoder */
export function buildGraph(checkpoint: Checkpoint, architecture: Architecture, encoder: keyof GraphFiles): Uint8Array {
  const { image, text } = architecture;
  const g = new GraphBuilder(`${architecture[encoder].kind} ${encoder} encoder`, checkpoint);
  if (encoder === 'image') addImageGraph(g, image);
  else addTextGraph(g, text);
  const { inputs, outputs } = encoder === 'image' ? imagePorts(architecture) : textPorts(architecture);
  return g.finish(inputs, outputs);
}

function addImageGraph(g: GraphBuilder, image: ImageTowerConfig): void {
  if (image.kind === 'efficientnet-lite') efficientNetGraph(g, image, PIXELS, IMAGE_EMBEDS);
  else if (image.kind === 'resnet') resNetGraph(g, image, PIXELS, IMAGE_EMBEDS);
  else if (image.kind === 'convnext') convNextGraph(g, image, PIXELS, IMAGE_EMBEDS);
  else if (image.pooling === 'attention') siglipImageGraph(g, image, PIXELS, IMAGE_EMBEDS);
  else clipImageGraph(g, image, PIXELS, IMAGE_EMBEDS);
}

function addTextGraph(g: GraphBuilder, text: TextTowerConfig): void {
  if (text.kind === 'bert') bertTextGraph(g, text, IDS, TEXT_EMBEDS);
  else clipTextGraph(g, text, IDS, TEXT_EMBEDS);
}

/**
 * The graphs of a checkpoint: `pixel_values [B, 3, S, S] → image_embeds [B, D]`, `input_ids [B, T] → text_embeds [B, D]`. Embeddings are
 * not yet of unit length.
 */
export function buildGraphs(checkpoint: Checkpoint, architecture: Architecture): GraphFiles {
  return {
    image: buildGraph(checkpoint, architecture, 'image'),
    text: buildGraph(checkpoint, architecture, 'text'),
  };
}
