import type { Architecture } from './architecture.ts';
import { clipImageGraph, clipTextGraph } from './clip.ts';
import type { Checkpoint } from './safetensors.ts';
import { siglipImageGraph, siglipTextGraph } from './siglip.ts';

/** Both towers as ONNX files. */
export interface Graphs {
  readonly image: Uint8Array;
  readonly text: Uint8Array;
}

/** The graphs of a checkpoint: `pixel_values [B, 3, S, S] → image_embeds [B, D]`, `input_ids [B, T] → text_embeds [B, D]`. */
export function buildGraphs(checkpoint: Checkpoint, architecture: Architecture): Graphs {
  switch (architecture.family) {
    case 'clip':
      return { image: clipImageGraph(checkpoint, architecture), text: clipTextGraph(checkpoint, architecture) };
    case 'siglip':
      return { image: siglipImageGraph(checkpoint, architecture), text: siglipTextGraph(checkpoint, architecture) };
  }
}
