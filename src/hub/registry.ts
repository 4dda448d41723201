import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Fields, fields, list, number, oneOf, text, texts } from '../disk/json-fields.ts';
import { ModelError, messageOf } from '../errors.ts';
import type { PerChannel } from '../image/preprocess.ts';

/** What a card claims of one file before it has been fetched. */
export interface CardDigest {
  readonly path: string;
  /** bytes */
  readonly size: number;
  readonly sha256: string;
  /** False for what was only read about: a difference at the first pull is said, the hub's own digest counts. */
  readonly verified: boolean;
}

/** A repository of the hub that holds the weights. */
export interface CardSource {
  readonly repo: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
  readonly digests: readonly CardDigest[];
}

/** What is known of a model before it is pulled: `models/cards/<name>.json`. */
export interface ModelCard {
  readonly name: string;
  readonly title: string;
  readonly aliases: readonly string[];
  readonly family: 'clip' | 'siglip';
  /** The best first: the next one is taken where a repository holds nothing that can be loaded. */
  readonly sources: readonly [CardSource, ...CardSource[]];
  /** What is needed of a repository in the layout of Hugging Face; the listing decides what is there. */
  readonly files: readonly string[];
  readonly licence: string;
  readonly preprocessing: {
    /** S of [3, S, S] */
    readonly size: number;
    readonly fit: 'crop' | 'squash';
    readonly interpolation: 'bicubic' | 'bilinear';
    readonly mean: PerChannel;
    readonly std: PerChannel;
  };
  /** Of the blocks' MLPs, by Hugging Face's name; null where only the repository's config says it. */
  readonly activation: string | null;
  /** Token ids of a prompt. */
  readonly context: number;
  readonly scoring: {
    readonly kind: 'softmax' | 'sigmoid';
    /** exp of the learned temperature; null where only the checkpoint says it. */
    readonly logitScale: number | null;
    readonly logitBias: number | null;
  };
  readonly imagenetZeroShot: { readonly top1: number; readonly source: string };
  /** Fields that nobody has checked against the repository yet. */
  readonly unverified: readonly string[];
}

const CARDS = fileURLToPath(new URL('../../models/cards', import.meta.url));
let cards: Promise<readonly ModelCard[]> | undefined;

/** Every card of the package, by name; read and checked once. */
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

/** Everything that {@link findCard} finds a card by. */
export function namesOf(card: ModelCard): string[] {
  return [card.name, ...card.aliases, ...card.sources.map(({ repo }) => repo)];
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

/**
 * The one place where a card is unknown data.
 *
 * @throws TypeError naming the field
 */
export function parseCard(value: unknown): ModelCard {
  const card = fields(value, 'card');
  const preprocessing = fields(card['preprocessing'], 'preprocessing');
  const scoring = fields(card['scoring'], 'scoring');
  const imagenet = fields(card['imagenetZeroShot'], 'imagenetZeroShot');
  const [first, ...others] = list(card, 'sources').map(parseSource);
  if (first === undefined) throw new TypeError('sources is empty');
  return {
    name: text(card, 'name'),
    title: text(card, 'title'),
    aliases: texts(card, 'aliases'),
    family: oneOf(card, 'family', ['clip', 'siglip']),
    sources: [first, ...others],
    files: texts(card, 'files'),
    licence: text(card, 'licence'),
    preprocessing: {
      size: number(preprocessing, 'size'),
      fit: oneOf(preprocessing, 'fit', ['crop', 'squash']),
      interpolation: oneOf(preprocessing, 'interpolation', ['bicubic', 'bilinear']),
      mean: perChannel(preprocessing, 'mean'),
      std: perChannel(preprocessing, 'std'),
    },
    activation: card['activation'] === null ? null : text(card, 'activation'),
    context: number(card, 'context'),
    scoring: {
      kind: oneOf(scoring, 'kind', ['softmax', 'sigmoid']),
      logitScale: scoring['logitScale'] === null ? null : number(scoring, 'logitScale'),
      logitBias: scoring['logitBias'] === null ? null : number(scoring, 'logitBias'),
    },
    imagenetZeroShot: { top1: number(imagenet, 'top1'), source: text(imagenet, 'source') },
    unverified: texts(card, 'unverified'),
  };
}

function parseSource(value: unknown): CardSource {
  const source = fields(value, 'source');
  const digests = source['digests'] === undefined ? [] : list(source, 'digests');
  return {
    repo: text(source, 'repo'),
    revision: text(source, 'revision'),
    digests: digests.map((item) => {
      const digest = fields(item, 'digest');
      return {
        path: text(digest, 'path'),
        size: number(digest, 'size'),
        sha256: text(digest, 'sha256'),
        verified: digest['verified'] === true,
      };
    }),
  };
}

function perChannel(from: Fields, name: string): PerChannel {
  const [r, g, b, ...more] = list(from, name).map((value) => number({ [name]: value }, name));
  if (r === undefined || g === undefined || b === undefined || more.length > 0)
    throw new TypeError(`${name} must be three numbers`);
  return [r, g, b];
}
