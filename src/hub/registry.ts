import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { ModelError, messageOf } from '../errors.ts';

const Text = v.pipe(v.string(), v.nonEmpty());
const Whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const PerChannel = v.tuple([v.number(), v.number(), v.number()]);

/** What a card says about one file before it is downloaded. */
const CardDigest = v.object({
  path: Text,
  /** bytes */
  size: v.optional(Whole),
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/u)),
  /** True if two independent sources agree: another file is then refused. If false, a difference causes a warning. */
  verified: v.boolean(),
});

/** A repository of the Hub with the weights. */
const CardSource = v.object({
  repo: Text,
  /** A commit with the files, or `main` if no commit is known. */
  revision: Text,
  digests: v.optional(v.array(CardDigest), []),
});

const Attention = v.object({
  width: Whole,
  layers: Whole,
  heads: Whole,
  mlpWidth: Whole,
});

/** The hyper-parameters of both encoders. They are compared with the weights after the download. */
const Shape = v.object({
  image: v.union([
    v.object({ kind: v.literal('resnet'), width: Whole, layers: v.pipe(v.array(Whole), v.length(4)) }),
    v.object({ kind: v.optional(v.literal('vit'), 'vit'), ...Attention.entries, patch: Whole }),
  ]),
  text: v.union([
    v.object({ kind: v.picklist(['bert', 'xlm-roberta']), ...Attention.entries, vocabulary: Whole, positions: Whole }),
    v.object({ kind: v.optional(v.literal('transformer'), 'transformer'), ...Attention.entries, vocabulary: Whole }),
  ]),
  /** D, the width of the space that images and texts share. */
  embedding: Whole,
});

/** A model card, `models/cards/<name>.json`: what is known about a model before it is downloaded. */
const Card = v.object({
  name: Text,
  title: Text,
  aliases: v.array(Text),
  family: v.picklist(['clip', 'siglip']),
  /** Best first. The next one is used if a repository has no files that can be loaded, or refuses access. */
  sources: v.pipe(v.tupleWithRest([CardSource], CardSource)),
  /** False if no known source has weights in a format that can be loaded. */
  pullable: v.optional(v.boolean(), true),
  licence: Text,
  preprocessing: v.object({
    /** S of [3, S, S] */
    size: Whole,
    fit: v.picklist(['crop', 'squash']),
    interpolation: v.picklist(['bicubic', 'bilinear']),
    mean: PerChannel,
    std: PerChannel,
  }),
  /** Activation of the MLPs, by Hugging Face's name; null if only the config of the repository has it. */
  activation: v.nullable(v.picklist(['quick_gelu', 'gelu', 'gelu_pytorch_tanh'])),
  /** The most tokens of a prompt. */
  context: Whole,
  shape: Shape,
  scoring: v.object({
    kind: v.picklist(['softmax', 'sigmoid']),
    /** exp of the learned temperature; null if only the checkpoint has it. */
    logitScale: v.nullable(v.number()),
    logitBias: v.nullable(v.number()),
  }),
  /** Null if no source has a figure that can be compared. */
  imagenetZeroShot: v.nullable(v.object({ top1: v.number(), source: Text })),
  /** What no source settles. */
  unverified: v.array(Text),
});

export type CardDigest = Readonly<v.InferOutput<typeof CardDigest>>;
export type CardSource = Readonly<v.InferOutput<typeof CardSource>>;
export type ModelCard = Readonly<v.InferOutput<typeof Card>>;

const CARDS = fileURLToPath(new URL('../../models/cards', import.meta.url));
let cards: Promise<readonly ModelCard[]> | undefined;

/** Every card of the package, sorted by name. They are read and checked once. */
export function modelCards(): Promise<readonly ModelCard[]> {
  cards ??= readdir(CARDS).then((files) =>
    Promise.all(
      files
        .filter((file) => file.endsWith('.json'))
        .sort()
        .map((file) => readCard(`${CARDS}/${file}`)),
    ),
  );
  return cards;
}

/** The card of a name, an alias (`ViT-B/32`) or a repository (`openai/clip-vit-base-patch32`), in any case of letters. */
export async function findCard(text: string): Promise<ModelCard | undefined> {
  const wanted = text.toLowerCase();
  const all = await modelCards();
  return all.find((card) => namesOf(card).some((name) => name.toLowerCase() === wanted));
}

/** All names by which {@link findCard} finds a card. */
export function namesOf(card: ModelCard): string[] {
  return [...new Set([card.name, ...card.aliases, ...card.sources.map(({ repo }) => repo)])];
}

async function readCard(path: string): Promise<ModelCard> {
  try {
    return parseCard(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    throw new ModelError(
      `${path} is not a valid model card: ${messageOf(error)}`,
      'install clip-classify again',
      error,
    );
  }
}

/** @throws TypeError naming the field that is wrong */
export function parseCard(value: unknown): ModelCard {
  const card = v.safeParse(Card, value);
  if (card.success) return card.output;
  const [issue] = card.issues;
  throw new TypeError(`${v.getDotPath(issue) ?? 'the card'}: ${issue.message}`);
}
