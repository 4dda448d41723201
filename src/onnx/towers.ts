import type { Architecture } from '../checkpoint/architecture.ts';
import type { Checkpoint } from '../checkpoint/safetensors.ts';
import { bertTextGraph } from './bert.ts';
import { clipImageGraph, clipTextGraph } from './clip.ts';
import { convNextGraph } from './convnext.ts';
import { efficientNetGraph } from './efficientnet.ts';
import type { GraphPorts } from './ports.ts';
import { resNetGraph } from './resnet.ts';
import { siglipImageGraph } from './siglip.ts';

/** Both towers as ONNX files. */
export interface Graphs {
  readonly image: Uint8Array;
  readonly text: Uint8Array;
}

/** The inputs and outputs of both graphs, as {@link buildGraphs} writes them. */
export function builtPorts({ image, text, embedding }: Architecture): {
  readonly image: GraphPorts;
  readonly text: GraphPorts;
} {
  const side = image.imageSize;
  const inputs = text.kind === 'transformer' && text.masksPadding ? ['input_ids', 'attention_mask'] : ['input_ids'];
  return {
    image: {
      inputs: [{ name: 'pixel_values', elementType: 1, shape: ['batch', 3, side, side] }],
      outputs: [{ name: 'image_embeds', elementType: 1, shape: ['batch', embedding] }],
    },
    text: {
      inputs: inputs.map((name) => ({ name, elementType: 7, shape: ['batch', 'tokens'] })),
      outputs: [{ name: 'text_embeds', elementType: 1, shape: ['batch', embedding] }],
    },
  };
}

/** One of the graphs of {@link buildGraphs}. @param checkpoint contains at least the tensors of that encoder */
export function buildGraph(checkpoint: Checkpoint, architecture: Architecture, tower: keyof Graphs): Uint8Array {
  return tower === 'image' ? imageGraph(checkpoint, architecture) : textGraph(checkpoint, architecture);
}

function imageGraph(checkpoint: Checkpoint, architecture: Architecture): Uint8Array {
  const { image } = architecture;
  switch (image.kind) {
    case 'vit':
      return (image.pooling === 'attention' ? siglipImageGraph : clipImageGraph)(checkpoint, image, architecture);
    case 'efficientnet-lite':
      return efficientNetGraph(checkpoint, image, architecture);
    case 'resnet':
      return resNetGraph(checkpoint, image, architecture);
    case 'convnext':
      return convNextGraph(checkpoint, image, architecture);
  }
}

function textGraph(checkpoint: Checkpoint, architecture: Architecture): Uint8Array {
  const { text } = architecture;
  switch (text.kind) {
    case 'transformer':
      return clipTextGraph(checkpoint, text, architecture);
    case 'bert':
      return bertTextGraph(checkpoint, text, architecture);
  }
}

/** The graphs of a checkpoint: `pixel_values [B, 3, S, S] → image_embeds [B, D]`, `input_ids [B, T] → text_embeds [B, D]`. */
export function buildGraphs(checkpoint: Checkpoint, architecture: Architecture): Graphs {
  return {
    image: buildGraph(checkpoint, architecture, 'image'),
    text: buildGraph(checkpoint, architecture, 'text'),
  };
}
