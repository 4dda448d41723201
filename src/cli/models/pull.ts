import { Command } from 'commander';
import { ModelError } from '../../errors.ts';
import { contradictions } from '../../hub/card-check.ts';
import { type Pulled, pullModel } from '../../hub/pull.ts';
import { findCard } from '../../hub/registry.ts';
import { pinnedFolder } from '../../hub/verify.ts';
import { describeModel } from '../../model/description.ts';
import { storeImport } from '../../model/imports.ts';
import type { Io } from '../io.ts';
import { say } from '../messages.ts';
import { examples, print } from './print.ts';
import { createProgress } from './pull-progress.ts';

interface PullOptions {
  readonly name?: string;
  readonly force?: true;
  readonly offline?: true;
  readonly quiet?: boolean;
  readonly json?: true;
}

export const pullCommand = (io: Io) =>
  new Command('pull')
    .description(
      'download a model into the Hugging Face cache (shared with Python) and record its commit and checksums',
    )
    .argument('<model>', 'name from "models list", or org/repo, or org/repo@revision')
    .option('--name <name>', 'name of the model (default: the name of its model card or repository)')
    .option('--force', 'check all cached files and download damaged ones again')
    .option('--offline', 'do not use the network; use cached files only')
    .option('--quiet', 'show no progress and no warnings')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples('pull ViT-B/32', 'pull laion/CLIP-ViT-B-32-laion2B-s34B-b79K', 'pull my-org/my-clip@v1 --name mine'),
    )
    .action(async (model: string, { quiet = false, json, ...options }: PullOptions) => {
      const progress = createProgress(io.stderr, quiet);
      const onWarning = (message: string) => quiet || say(io, 'warning', message);
      const pulled = await pullModel(model, { ...options, env: io.env, onProgress: progress.show, onWarning }).finally(
        progress.clear,
      );
      await prepare(pulled, io, onWarning);
      const { name, pin, fetched, alreadyThere } = pulled;
      const folder = pinnedFolder(pin);
      const how = alreadyThere ? 'already downloaded' : `${(fetched / 1e6).toFixed(1)} MB downloaded`;
      await print(
        io,
        json,
        {
          name,
          repo: pin.repo,
          commit: pin.commit,
          layout: pin.layout,
          folder,
          fetched,
          alreadyThere,
          files: pin.files,
        },
        `${name}: ${pin.repo} at ${pin.commit.slice(0, 12)}, ${how}\nclip-classify photo.jpg --model ${name} --labels cat,dog\n`,
      );
    });

/** Imports a checkpoint on the spot: its graphs go to this tool's own cache. Ready-made graphs are used as they are. */
async function prepare(
  { name, pin, alreadyThere }: Pulled,
  { env }: Io,
  onWarning: (message: string) => void,
): Promise<void> {
  if (pin.layout === 'onnx' || alreadyThere) return;
  try {
    const model = await describeModel(pinnedFolder(pin), { env });
    await model.tokenizer();
    await storeImport(name, model, env);
    const card = await findCard(name);
    if (card !== undefined) for (const line of contradictions(card, model)) onWarning(line);
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    throw new ModelError(`${name} is downloaded but cannot be used: ${error.fact}`, error.nextStep, error);
  }
}
