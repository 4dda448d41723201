import { findCard } from '../hub/registry.ts';
import { once } from '../once.ts';
import { loadTokenizer } from '../text/tokenizer.ts';
import { describeCheckpoint } from './checkpoint-model.ts';
import type { DescribeOptions, ModelDescription, Scoring } from './description.ts';
import { findModel, type ModelLocation } from './find.ts';
import { checkpointFolder, nothingToRun } from './folder.ts';
import { refuseLinksOut } from './links.ts';
import { type ReadyMade, readReadyMade } from './ready-made.ts';

/**
 * Reads what a model is, without opening it.
 *
 * @param nameOrFolder 'starter', the name of a downloaded or imported model, or a folder with a checkpoint or ONNX files
 * @throws ModelError naming what is missing, damaged or contradictory
 */
export async function describeModel(nameOrFolder: string, options: DescribeOptions = {}): Promise<ModelDescription> {
  return readModel(await findModel(nameOrFolder, options.env), options);
}

/** {@link describeModel} for a model that has been found. */
export async function readModel(location: ModelLocation, options: DescribeOptions = {}): Promise<ModelDescription> {
  await refuseLinksOut(location.folder);
  const folder = await checkpointFolder(location.folder);
  if (folder !== undefined) return describeCheckpoint({ ...location, folder }, options);
  const readyMade = await readReadyMade(location.folder, options.dtype);
  if (readyMade === undefined) throw await nothingToRun(location.folder);
  return describeReadyMade(location, readyMade);
}

async function describeReadyMade(
  { name, folder, repo }: ModelLocation,
  readyMade: ReadyMade,
): Promise<ModelDescription> {
  const { image, text, logits, preprocessing, tokens, tokenizerFolder } = readyMade;
  return {
    name,
    folder,
    dtype: readyMade.dtype,
    contents: { kind: 'onnx', readyMade },
    preprocessing,
    tokens,
    scoring: repo === undefined ? undefined : await scoringOfCard(repo),
    graphs: async () => ({
      image: { graph: { path: image.path }, wiring: image.wiring },
      text: { graph: { path: text.path }, wiring: text.wiring },
      logits,
    }),
    tokenizer: once(() => loadTokenizer(tokenizerFolder, tokens)),
    weightFile: image.path,
  };
}

/** ONNX models with one file per encoder do not contain the logit scale. The model card of their repository may have it. */
async function scoringOfCard(repo: string): Promise<Scoring | undefined> {
  const { logitScale = null, logitBias = null } = (await findCard(repo))?.scoring ?? {};
  if (logitScale === null) return undefined;
  return logitBias === null ? { logitScale } : { logitScale, logitBias };
}
