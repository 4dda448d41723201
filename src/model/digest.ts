import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { sha256Of, sha256OfFile } from '../disk/digest.ts';
import type { Env } from '../disk/environment.ts';
import { digestOnce, hashAndRemember, rememberedDigest } from '../disk/remembered-digest.ts';
import { readPins } from '../hub/pins.ts';
import { pinnedFolder } from '../hub/verify.ts';
import { TOKENIZER_FILES } from '../text/tokenizer-files.ts';
import type { ModelDescription } from './description.ts';

/** Files with hyper-parameters. */
const CONFIG_FILES = [
  'config.json',
  'open_clip_config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'model.safetensors.index.json',
] as const;

type Described = Pick<ModelDescription, 'folder' | 'contents' | 'preprocessing' | 'tokens'>;

/**
 * The digest of a model: the sha256 of everything in its folder that its embeddings depend on. Two models with the same digest give
 * the same embedding for every text and image. Weights are hashed once. Later they are hashed again only if their size, inode or time
 * stamps have changed.
 */
export class ModelDigest {
  private computed: Promise<string> | undefined;

  /** @param remembers whether digests of files are cached */
  constructor(
    private readonly model: Described,
    private readonly env: Env | undefined,
    private readonly remembers: boolean,
  ) {}

  /** The digest, if no weights have to be hashed for it. */
  async known(): Promise<string | undefined> {
    const files = await filesOf(this.model);
    const digests: string[] = [];
    for (const { path } of files) {
      const digest = await this.remembered(path);
      if (digest === undefined) return undefined;
      digests.push(digest);
    }
    return digestOf(this.model, files, digests);
  }

  /** The digest. The first time takes about a second for each gigabyte of weights. */
  compute(): Promise<string> {
    this.computed ??= this.hashAll();
    return this.computed;
  }

  private async hashAll(): Promise<string> {
    const files = await filesOf(this.model);
    const digests: string[] = [];
    for (const { path } of files) digests.push((await this.remembered(path)) ?? (await this.hash(path)));
    return digestOf(this.model, files, digests);
  }

  private async remembered(path: string): Promise<string | undefined> {
    if (!this.remembers) return undefined;
    return (await rememberedDigest(path, this.env)) ?? this.pinned(path);
  }

  /** The recorded checksum of a file of a downloaded model, which was checked when the model was found. */
  private async pinned(path: string): Promise<string | undefined> {
    const pins = await readPins(this.env).catch(() => undefined);
    const pin = [...(pins ?? new Map()).values()].find((one) => pinnedFolder(one) === this.model.folder);
    return pin?.files[relative(this.model.folder, path).split(sep).join('/')]?.sha256;
  }

  private async hash(path: string): Promise<string> {
    return this.remembers ? hashAndRemember(path, this.env) : sha256OfFile(path);
  }
}

/** A file of a model, and its role. */
interface ModelFile {
  readonly role: string;
  readonly path: string;
}

/** The files that are read when a model runs. */
async function filesOf({ folder, contents }: Described): Promise<ModelFile[]> {
  if (contents.kind === 'checkpoint') {
    const weights = contents.checkpoint.files.map((path, n) => ({
      role: n === 0 ? 'weights' : `weights ${n + 1}`,
      path,
    }));
    return [...weights, ...(await tokenizerFiles(folder))];
  }
  const { image, text, tokenizerFolder } = contents.readyMade;
  const graphs = [...new Set([image.path, text.path])];
  const weights = await Promise.all([...new Set(graphs.map((path) => dirname(path)))].map(weightFiles));
  const named = [...graphs, ...weights.flat()].map((path) => ({ role: relative(folder, path), path }));
  return [...named, ...(await tokenizerFiles(tokenizerFolder))];
}

/** The files next to a graph that may contain its weights. */
async function weightFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const paths = entries
    .filter((entry) => !entry.isDirectory() && !/^\.|\.(onnx|json|txt|md)$/iu.test(entry.name))
    .map(({ name }) => join(folder, name))
    .sort();
  return onlyFiles(paths);
}

async function tokenizerFiles(folder: string): Promise<ModelFile[]> {
  const paths = await onlyFiles(TOKENIZER_FILES.map((name) => join(folder, name)));
  return paths.map((path) => ({ role: basename(path), path }));
}

/**
 * The sha256 of each file of a model by its path: the files that its embeddings depend on, and the configs. Weights that were hashed
 * before and have not been touched since are not hashed again.
 */
export async function checksumsOf(model: Described, env?: Env): Promise<Record<string, string>> {
  const configs = await onlyFiles(CONFIG_FILES.map((name) => join(model.folder, name)));
  const paths = new Set([...(await filesOf(model)).map(({ path }) => path), ...configs]);
  const checksums: Record<string, string> = {};
  for (const path of paths) checksums[path] = await digestOnce(path, env);
  return checksums;
}

/** The paths of regular files. A FIFO would block its reader. */
async function onlyFiles(paths: readonly string[]): Promise<string[]> {
  const isFile = (path: string) =>
    stat(path)
      .then((info) => info.isFile())
      .catch(() => false);
  const found = await Promise.all(paths.map(isFile));
  return paths.filter((_, n) => found[n]);
}

/** Includes the hyper-parameters, because not only files but also a model card can change them. */
function digestOf(
  { contents, preprocessing, tokens }: Described,
  files: readonly ModelFile[],
  digests: readonly string[],
): string {
  const shape =
    contents.kind === 'checkpoint'
      ? contents.architecture
      : [contents.readyMade.image.wiring, contents.readyMade.text.wiring];
  const roles = files.map(({ role }) => role);
  return sha256Of(JSON.stringify([roles, digests, shape, preprocessing, tokens]));
}
