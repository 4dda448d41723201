import type { Architecture, ImageTower, TextTower } from '../checkpoint/architecture.ts';
import type { Checkpoint } from '../checkpoint/safetensors.ts';
import { bertTextTower } from './bert.ts';
import { ATTENTION_MASK, clipImageTower, clipTextTower } from './clip.ts';
import { convNextTower } from './convnext.ts';
import { efficientNetTower } from './efficientnet.ts';
import { DATA_TYPE, GraphBuilder, type GraphPort } from './graph.ts';
import type { GraphPorts, Port } from './ports.ts';
import { resNetTower } from './resnet.ts';
import { siglipImageTower } from './siglip.ts';

/** Both towers as ONNX files. */
export interface Graphs {
  readonly image: Uint8Array;
  readonly text: Uint8Array;
}

/** The input and the output of each tower. */
const [PIXELS, IMAGE_EMBEDS] = ['pixel_values', 'image_embeds'] as const;
const [IDS, TEXT_EMBEDS] = ['input_ids', 'text_embeds'] as const;

interface TowerPorts {
  readonly inputs: readonly GraphPort[];
  readonly outputs: readonly GraphPort[];
}

function imagePorts({ image, embedding }: Architecture): TowerPorts {
  return {
    inputs: [{ name: PIXELS, type: 'F32', shape: ['batch', 3, image.imageSize, image.imageSize] }],
    outputs: [{ name: IMAGE_EMBEDS, type: 'F32', shape: ['batch', embedding] }],
  };
}

function textPorts({ text, embedding }: Architecture): TowerPorts {
  const names = text.kind === 'transformer' && text.masksPadding ? [IDS, ATTENTION_MASK] : [IDS];
  return {
    inputs: names.map((name) => ({ name, type: 'I64', shape: ['batch', 'tokens'] })),
    outputs: [{ name: TEXT_EMBEDS, type: 'F32', shape: ['batch', embedding] }],
  };
}

/** The inputs and outputs of both graphs, as {@link buildGraphs} writes them. */
export function builtPorts(architecture: Architecture): { readonly image: GraphPorts; readonly text: GraphPorts } {
  const port = ({ name, type, shape }: GraphPort): Port => ({ name, elementType: DATA_TYPE[type], shape });
  const ports = ({ inputs, outputs }: TowerPorts) => ({ inputs: inputs.map(port), outputs: outputs.map(port) });
  return { image: ports(imagePorts(architecture)), text: ports(textPorts(architecture)) };
}

/** One of the graphs of {@link buildGraphs}. @param checkpoint contains at least the tensors of that encoder */
export function buildGraph(checkpoint: Checkpoint, architecture: Architecture, tower: keyof Graphs): Uint8Array {
  const { image, text } = architecture;
  const g = new GraphBuilder(`${architecture[tower].kind} ${tower} tower`, checkpoint);
  if (tower === 'image') addImageTower(g, image);
  else addTextTower(g, text);
  const { inputs, outputs } = tower === 'image' ? imagePorts(architecture) : textPorts(architecture);
  return g.finish(inputs, outputs);
}

function addImageTower(g: GraphBuilder, image: ImageTower): void {
  if (image.kind === 'efficientnet-lite') efficientNetTower(g, image, PIXELS, IMAGE_EMBEDS);
  else if (image.kind === 'resnet') resNetTower(g, image, PIXELS, IMAGE_EMBEDS);
  else if (image.kind === 'convnext') convNextTower(g, image, PIXELS, IMAGE_EMBEDS);
  else if (image.pooling === 'attention') siglipImageTower(g, image, PIXELS, IMAGE_EMBEDS);
  else clipImageTower(g, image, PIXELS, IMAGE_EMBEDS);
}

function addTextTower(g: GraphBuilder, text: TextTower): void {
  if (text.kind === 'bert') bertTextTower(g, text, IDS, TEXT_EMBEDS);
  else clipTextTower(g, text, IDS, TEXT_EMBEDS);
}

/**
 * The graphs of a checkpoint: `pixel_values [B, 3, S, S] → image_embeds [B, D]`, `input_ids [B, T] → text_embeds [B, D]`. Embeddings are
 * not yet of unit length.
 */
export function buildGraphs(checkpoint: Checkpoint, architecture: Architecture): Graphs {
  return {
    image: buildGraph(checkpoint, architecture, 'image'),
    text: buildGraph(checkpoint, architecture, 'text'),
  };
}
