import { createHash } from 'node:crypto';
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { replaceFile } from '../disk/cache-files.ts';
import { digestFile, stampOf } from '../disk/digest.ts';
import { cacheFolder, type Env } from '../disk/environment.ts';
import { readPlainFile } from '../disk/plain-file.ts';
import { readPins } from '../hub/pins.ts';
import { pinnedFolder } from '../hub/verify.ts';
import { TOKENIZER_FILES } from '../text/tokenizer-files.ts';
import type { ModelDescription } from './description.ts';

type Described = Pick<ModelDescription, 'folder' | 'contents' | 'preprocessing' | 'tokens'>;

/** A file that has just been changed may change again within one tick of the clock that stamps it; then it is not remembered. */
const YOUNG_MS = 2_000;

/**
 * The digest of a model: the sha256 of everything in its folder that its embeddings depend on, so two models share a digest
 * only if they give every text and image the same embedding. Weights are hashed once; then their size, inode and time stamps are
 * trusted, as those of a pulled model are.
 */
export class ModelDigest {
  private computed: Promise<string> | undefined;

  /** @param remembers whether digests of files are kept in this tool's cache, and believed there */
  constructor(
    private readonly model: Described,
    private readonly env: Env | undefined,
    private readonly remembers: boolean,
  ) {}

  /** The digest, if that takes no hashing of weights. */
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

  /** The digest; at its first time a second for each gigabyte or so. */
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
    try {
      const stamp = await stampOf(path);
      const memory = JSON.parse(await readPlainFile(await this.memoryOf(path))) as Partial<Memory>;
      const digest = memory.sha256 ?? '';
      return memory.stamp === stamp && memory.check === checkOf(path, stamp, digest) ? digest : undefined;
    } catch {
      return this.pinned(path); // nothing is remembered
    }
  }

  /** Of a pulled model, which has been found intact before it was described. */
  private async pinned(path: string): Promise<string | undefined> {
    const pins = await readPins(this.env).catch(() => undefined);
    const pin = [...(pins ?? new Map()).values()].find((one) => pinnedFolder(one) === this.model.folder);
    return pin?.files[relative(this.model.folder, path).split(sep).join('/')]?.sha256;
  }

  private async hash(path: string): Promise<string> {
    const stamp = await stampOf(path);
    const { size, mtimeMs, ctimeMs } = await stat(path);
    const { sha256 } = await digestFile(path, 'sha256', size);
    const settled = Date.now() - Math.max(mtimeMs, ctimeMs) > YOUNG_MS && (await stampOf(path)) === stamp;
    if (settled && this.remembers) {
      const memory: Memory = { path, stamp, sha256, check: checkOf(path, stamp, sha256) };
      const write = async () => replaceFile(await this.memoryOf(path), `${JSON.stringify(memory)}\n`);
      await write().catch(() => {}); // costs time the next time, not this run
    }
    return sha256;
  }

  private async memoryOf(path: string): Promise<string> {
    return join(cacheFolder(this.env), 'digests', `${sha256Of(await realpath(path)).slice(0, 32)}.json`);
  }
}

/** What is remembered of a file. */
interface Memory {
  readonly path: string;
  readonly stamp: string;
  readonly sha256: string;
  /** Over the others: a digest with a flipped bit is not believed. */
  readonly check: string;
}

function checkOf(path: string, stamp: string, digest: string): string {
  return sha256Of(JSON.stringify([path, stamp, digest]));
}

/** A file of a model, and what it is there for. */
interface ModelFile {
  readonly role: string;
  readonly path: string;
}

/** What is read when a model runs. */
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

/** The files that may hold weights: a graph names them, and they lie next to it. */
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

/** Those that are files: a FIFO would be waited for. */
async function onlyFiles(paths: readonly string[]): Promise<string[]> {
  const isFile = (path: string) =>
    stat(path)
      .then((info) => info.isFile())
      .catch(() => false);
  const found = await Promise.all(paths.map(isFile));
  return paths.filter((_, n) => found[n]);
}

/** The hyper-parameters stand in files too, but a card has a say in them. */
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

function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
