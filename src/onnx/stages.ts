import type { Architecture } from '../checkpoint/architecture.ts';
import type { Checkpoint } from '../checkpoint/safetensors.ts';
import { efficientNetStages, visionTransformerStages } from './stages/image.ts';
import { type Stage, stagesOf } from './stages/stage.ts';
import { bertStages, textTransformerStages } from './stages/text.ts';

export type { Stage } from './stages/stage.ts';

/** Both towers from input to projection, as the graphs compute them. */
export interface Stages {
  readonly image: readonly Stage[];
  readonly text: readonly Stage[];
}

/** The stages of both towers. Every tensor belongs to one of them; only the scale and bias of the scores belong to none. */
export function stages(checkpoint: Checkpoint, { image, text, embedding }: Architecture): Stages {
  const stage = stagesOf(checkpoint);
  return {
    image:
      image.kind === 'vit'
        ? visionTransformerStages(stage, image, embedding)
        : efficientNetStages(stage, image, embedding),
    text: text.kind === 'bert' ? bertStages(stage, text, embedding) : textTransformerStages(stage, text, embedding),
  };
}
