import { Command } from 'commander';
import { type PullPlan, planPull, pullModel } from '../../hub/pull.ts';
import { pinnedFolder } from '../../hub/verify.ts';
import { columns } from '../../output/columns.ts';
import type { Io } from '../io.ts';
import { say } from '../messages.ts';
import { prepare } from './prepare.ts';
import { examples, megabytes, print } from './print.ts';
import { createProgress } from './pull-progress.ts';

interface PullOptions {
  readonly name?: string;
  readonly force?: true;
  readonly offline?: true;
  readonly dryRun?: true;
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
    .option('--dry-run', 'list what would be downloaded, from where and with which checksum; download nothing')
    .option('--offline', 'do not use the network; use cached files only')
    .option('--quiet', 'show no progress and no warnings')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples('pull ViT-B/32', 'pull laion/CLIP-ViT-B-32-laion2B-s34B-b79K', 'pull my-org/my-clip@v1 --name mine'),
    )
    .action(async (model: string, { quiet = false, json, dryRun, ...options }: PullOptions) => {
      const progress = createProgress(io, quiet);
      const onWarning = (message: string) => quiet || say(io, 'warning', message);
      const listeners = { onProgress: progress.show, onTrouble: progress.trouble, onWarning };
      const given = { ...options, env: io.env, ...listeners };
      if (dryRun) {
        const plan = await planPull(model, given).finally(progress.clear);
        return print(io, json, plan, planText(plan));
      }
      const pulled = await pullModel(model, given).finally(progress.clear);
      await prepare(pulled, io, onWarning);
      const { name, pin, fetched, alreadyThere } = pulled;
      const { repo, commit, layout, files } = pin;
      const how = alreadyThere ? 'already downloaded' : `${megabytes(fetched)} downloaded`;
      await print(
        io,
        json,
        { name, repo, commit, layout, folder: pinnedFolder(pin), fetched, alreadyThere, files },
        `${name}: ${repo} at ${commit.slice(0, 12)}, ${how}\nclip-classify photo.jpg --model ${name} --labels cat,dog\n`,
      );
    });

function planText({ name, repo, revision, commit, files, download }: PullPlan): string {
  const at = revision === commit ? commit.slice(0, 12) : `${revision} (${commit.slice(0, 12)})`;
  const rows = files.map(({ path, size, digest, cached, url }) => [
    path,
    `${size} bytes`,
    `${digest.length === 64 ? 'sha256' : 'git-sha1'} ${digest}`,
    cached ? 'in the cache' : url,
  ]);
  return `${name}: ${repo} at ${at}, ${megabytes(download)} to download\n${columns(rows, 'lrll')}`;
}
