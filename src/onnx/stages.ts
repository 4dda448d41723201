import type { Architecture, ImageTowerConfig, TextTowerConfig } from '../checkpoint/architecture.ts';
import type { Checkpoint } from '../checkpoint/safetensors.ts';
import { convNextStages, efficientNetStages, resNetStages, visionTransformerStages } from './stages/image.ts';
import { type MakeStage, type Stage, stagesOf } from './stages/stage.ts';
import { bertStages, textTransformerStages } from './stages/text.ts';

export type { Stage } from './stages/stage.ts';

/** Both encoders from input to projection, as the graphs compute them. */
export interface Stages {
  readonly image: readonly Stage[];
  readonly text: readonly Stage[];
}

/** The stages of both encoders. Every tensor belongs to one of them; only the scale and bias of the scores belong to none. */
export function stages(checkpoint: Checkpoint, { image, text, embedding }: Architecture): Stages {
  const stage = stagesOf(checkpoint);
  return { image: imageStages(stage, image, embedding), text: textStages(stage, text, embedding) };
}

function imageStages(stage: MakeStage, image: ImageTowerConfig, embedding: number): Stage[] {
  switch (image.kind) {
    case 'vit':
      return visionTransformerStages(stage, image, embedding);
    case 'efficientnet-lite':
      return efficientNetStages(stage, image, embedding);
    case 'resnet':
      return resNetStages(stage, image, embedding);
    case 'convnext':
      return convNextStages(stage, image, embedding);
  }
}

function textStages(stage: MakeStage, text: TextTowerConfig, embedding: number): Stage[] {
  return text.kind === 'bert' ? bertStages(stage, text, embedding) : textTransformerStages(stage, text, embedding);
}
