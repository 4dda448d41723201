import { createClassifier, type ImageResult } from '../../classifier.ts';
import { type ImageErrorCode, messageOf, oneLine, UsageError } from '../../errors.ts';
import { packetsIn } from '../../image/libvips.ts';
import { type ImageSource, identityOf, sourceOfIdentity } from '../../image/source.ts';
import { filePathOf, openable, type Path } from '../../inputs/path.ts';
import { isPassedBytes } from '../../inputs/stdin.ts';
import { pathField, toJson } from '../../output/json.ts';
import { NONE_KEPT } from '../../output/result-output.ts';
import type { ResultSink } from '../../output/result-sink.ts';
import { Sink } from '../../output/sink.ts';
import { embeddedTags, iptcKeywords } from '../../tagging/embedded.ts';
import { type Change, changeSidecar, planRemoval, planTags } from '../../tagging/files.ts';
import { tagsFor } from '../../tagging/sidecar.ts';
import { checkLabels } from '../../text/labels.ts';
import { type GivenImages, givenImages } from '../given-images.ts';
import { type ImageRunOptions, runOnModel, warner, writeResults } from '../image-run.ts';
import { type Io, unlessInterrupted } from '../io.ts';
import { say } from '../messages.ts';
import type { InputOptions } from '../options/input-options.ts';
import { classifierOptions, givenLabels, type LabelOptions, type ScoreOptions } from '../options/label-options.ts';
import { givenLearned } from '../options/learned-option.ts';
import { decodeOptions } from '../options/model-options.ts';
import { createProgress } from '../progress.ts';

export interface TagOptions extends InputOptions, LabelOptions, ScoreOptions, ImageRunOptions {
  readonly parent?: string;
  readonly dryRun?: boolean;
  readonly remove?: boolean;
  readonly format?: 'table' | 'jsonl';
}

/** What was done with the sidecar of a picture. */
type Tagged = { readonly image: string; readonly pathBytes?: Uint8Array } & (
  | { readonly ok: true; readonly change: Change }
  | { readonly ok: false; readonly error: { readonly code: ImageErrorCode; readonly message: string } }
);

/** @returns the exit code: 1 if a picture or its sidecar failed */
export async function runTag(args: readonly string[], options: TagOptions, io: Io): Promise<number> {
  if (options.parent?.trim() === '') throw new UsageError('--parent is empty', 'give a keyword or remove the option');
  const given = await givenImages(args, options, io, warner(options, io));
  try {
    return options.remove ? await remove(given, options, io) : await tag(given, options, io);
  } finally {
    given.stop();
  }
}

async function tag(given: GivenImages, options: TagOptions, io: Io): Promise<number> {
  const learned = await givenLearned(options);
  const words = learned?.labels ?? checkLabels(await givenLabels(options));
  const parents = new Map(
    words.flatMap(({ label, parent }) => (parent === undefined ? [] : [[label, parent] as const])),
  );
  const { threshold: _, ...scoring } = classifierOptions(options);
  return runOnModel(given, options, io.stdout.isTTY === true, io, async (clip, progress) => {
    const classifier = await unlessInterrupted(
      createClassifier(clip, learned ?? words, { ...scoring, onWarning: warner(options, io) }),
      io,
    );
    const results = classifier.classify(given.images, decodeOptions(options));
    return writeResults(tagged(results, parents, options), tagSink(options, 'added', io), { progress, io });
  });
}

/** Removing tags needs no model, because the sidecars record what was added. */
async function remove(given: GivenImages, options: TagOptions, io: Io): Promise<number> {
  const rows = async function* () {
    for await (const image of given.images)
      yield changed(identityOf(image), image, () => planRemoval(filePathOf(image)), options);
  };
  const progress = createProgress(io, options.quiet ?? false, options.batch, io.stdout.isTTY === true);
  const { ok, failed } = await writeResults(rows(), tagSink(options, 'removed', io), { progress, io });
  if (!options.quiet && ok + failed > 1) say(io, 'note', `${ok} ok, ${failed} failed`);
  return failed > 0 ? 1 : 0;
}

async function* tagged(
  results: AsyncIterable<ImageResult>,
  parents: ReadonlyMap<string, string>,
  options: TagOptions,
): AsyncGenerator<Tagged> {
  for await (const result of results) {
    const { image, pathBytes } = result;
    const identity = { image, ...(pathBytes && { pathBytes }) };
    if (!result.ok) {
      const { code, message } = result.error;
      yield { ...identity, ok: false, error: { code, message } };
      continue;
    }
    const source = sourceOfIdentity(result);
    const tags = tagsFor(labelsOf(result, options), options.parent?.trim(), parents);
    yield await changed(
      identity,
      source,
      async () => planTags(filePathOf(source), tags, await tagsInside(filePathOf(source))),
      options,
    );
  }
}

/** With --threshold every label that reaches it, with --multi-label every accepted label, otherwise the best label. */
function labelsOf(result: ImageResult & { ok: true }, { threshold, multiLabel }: TagOptions): string[] {
  if (threshold !== undefined)
    return result.reason === 'none'
      ? []
      : result.labels.filter(({ score }) => score >= threshold).map(({ label }) => label);
  if (multiLabel) return result.labels.filter(({ reason }) => reason === undefined).map(({ label }) => label);
  return result.label === null ? [] : [result.label];
}

/** Tags inside the picture. Some programs ignore them if the sidecar has the same field. */
async function tagsInside(picture: Path): Promise<string[]> {
  const { xmp, iptc } = await packetsIn(openable(picture));
  const tags = embeddedTags(xmp);
  return tags.length > 0 ? tags : iptcKeywords(iptc);
}

async function changed(
  identity: { readonly image: string; readonly pathBytes?: Uint8Array },
  source: ImageSource,
  plan: () => Promise<Change>,
  { dryRun = false }: TagOptions,
): Promise<Tagged> {
  if (source.kind === 'url')
    return { ...identity, ok: false, error: { code: 'E_URL', message: `${source.name} is a URL and has no sidecar` } };
  if (isPassedBytes(identity.image)) {
    const message = `${identity.image} is not a file and has no sidecar; give the path of a file`;
    return { ...identity, ok: false, error: { code: 'E_UNREADABLE', message } };
  }
  try {
    const change = dryRun ? await plan() : await changeSidecar(plan);
    return { ...identity, ok: true, change };
  } catch (error) {
    const message = `the sidecar of ${source.name} was left as it is: ${messageOf(error)}`;
    return { ...identity, ok: false, error: { code: 'E_UNREADABLE', message } };
  }
}

function tagSink({ format, dryRun }: TagOptions, verb: 'added' | 'removed', io: Io): ResultSink<Tagged> {
  const sink = new Sink(io.stdout, 'standard output');
  const isTable = (format ?? (io.stdout.isTTY === true ? 'table' : 'jsonl')) === 'table';
  return {
    begin: async () => {},
    add: (row) => sink.write(isTable ? tableLine(row, verb, dryRun ?? false) : `${toJson(jsonRow(row, verb))}\n`),
    end: async () => NONE_KEPT,
    close: () => sink.close(),
  };
}

function tableLine(row: Tagged, verb: string, dryRun: boolean): string {
  if (!row.ok) return `${oneLine(row.image)}: ${row.error.code}: ${oneLine(row.error.message)}\n`;
  const tags = keywordsOf(row.change);
  const what = tags.length === 0 ? 'no change' : `${dryRun ? 'would be ' : ''}${verb}: ${tags.join(', ')}`;
  return `${oneLine(row.image)}: ${oneLine(what)}\n`;
}

/** The changed keywords for people, each once: `auto/cat` stands for the fields' `cat`, `auto/cat` and `auto|cat`. */
function keywordsOf({ changed }: Change): string[] {
  const tags = changed.map((tag) => tag.slice(tag.indexOf('=') + 1).replaceAll('|', '/'));
  return [...new Set(tags)].filter((tag) => !tags.some((other) => other.endsWith(`/${tag}`)));
}

function jsonRow(row: Tagged, verb: 'added' | 'removed'): object {
  const identity = { image: row.image, ...pathField(row) };
  if (!row.ok) return { ...identity, error: row.error };
  return { ...identity, sidecar: row.change.sidecar, [verb]: row.change.changed };
}
