import type { Architecture, ImageTowerConfig, TextTowerConfig } from './architecture.ts';
import { ConfigReader } from './config.ts';
import { Expectation } from './expectation.ts';
import { bert } from './infer/bert.ts';
import { convNext } from './infer/convnext.ts';
import { efficientNetLite } from './infer/efficientnet.ts';
import { modifiedResNet } from './infer/resnet.ts';
import { textTransformer } from './infer/text-transformer.ts';
import { visionTransformer } from './infer/vision-transformer.ts';
import type { Checkpoint } from './safetensors.ts';

/**
 * Infers every hyper-parameter from the names and shapes of the tensors, so that it cannot disagree with the weights,
 * takes from the config what weights cannot tell (heads, activation, epsilon, pooling, end-of-text id),
 * and refuses a config that contradicts the weights, or a tensor that it does not know.
 *
 * @param checkpoint with the names that {@link withHuggingFaceNames} gives
 * @param config the parsed config.json
 * @throws ModelError naming the tensor or field at fault
 */
export function inferArchitecture(checkpoint: Checkpoint, config: unknown): Architecture {
  const root = new ConfigReader(config, 'config.json', checkpoint.folder);
  const expect = new Expectation(checkpoint);
  const { image, embedding } = imageTowerConfig(expect, root);
  const text = textTowerConfig(expect, root, embedding);
  expect.nothingElse();
  return { image, text, embedding, loss: checkpoint.has('logit_bias') ? 'sigmoid' : 'softmax' };
}

function imageTowerConfig(
  expect: Expectation,
  root: ConfigReader,
): { readonly image: ImageTowerConfig; readonly embedding: number } {
  if (expect.has('visual.trunk.conv_stem.weight')) return efficientNetLite(expect, root);
  if (expect.has('visual.trunk.stages.0.blocks.0.gamma')) return convNext(expect, root);
  if (expect.has('visual.attnpool.q_proj.weight')) return modifiedResNet(expect, root);
  return visionTransformer(expect, root);
}

function textTowerConfig(expect: Expectation, root: ConfigReader, embedding: number): TextTowerConfig {
  if (expect.has('text_model.embeddings.norm.weight')) return bert(expect, root, embedding);
  return textTransformer(expect, root, embedding);
}
