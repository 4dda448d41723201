import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Labelled pictures, each the bytes of a file. */
export interface LabelledSet {
  readonly name: string;
  readonly classes: readonly string[];
  /** [N] */
  readonly labels: readonly number[];
  readonly files: readonly Uint8Array[];
}

interface Pack {
  readonly classes: readonly string[];
  readonly labels: readonly number[];
  readonly files: readonly Uint8Array[];
}

/** Which pictures of a pack belong to a set. */
interface Choice {
  readonly name: string;
  readonly pack: string;
  readonly isWanted?: (row: number, name: string, classNumber: number) => boolean;
  /** The most pictures of each class, spread evenly over the pack. */
  readonly most: number;
  /** Classes with fewer pictures are skipped. */
  readonly least?: number;
}

interface HeldOut {
  readonly words: readonly string[];
  readonly caltech: readonly string[];
  /** The rows of each pack that the starter never trained on, separated by spaces. */
  readonly aside: Readonly<Record<string, string>>;
}

/** A picture that training saw says too much for words, so the sets hold none; `dev` sets chose the constants of the rule. */
function choices({ words, caltech, aside }: HeldOut): Choice[] {
  const kept = (pack: string) => {
    const rows = new Set((aside[pack] ?? '').split(' ').map(Number));
    return (row: number) => rows.has(row);
  };
  return [
    {
      name: 'Caltech-101, ten unseen classes',
      pack: 'caltech101',
      most: 99,
      isWanted: (_, name) => caltech.includes(name),
    },
    {
      name: 'everyday, twenty unseen words',
      pack: 'everyday',
      most: 60,
      isWanted: (_, name) => words.includes(name),
    },
    { name: 'Imagenette', pack: 'imagenette-train', most: 60, isWanted: kept('imagenette-train') },
    { name: 'CIFAR-10', pack: 'cifar10-test', most: 60 },
    { name: 'Tiny ImageNet, 40 classes', pack: 'tiny-imagenet-val', most: 40, isWanted: (_, __, c) => c % 5 === 0 },
    { name: 'everyday, held-aside tenth', pack: 'everyday', most: 99, isWanted: kept('everyday') },
    { name: 'everyday-more, held-aside tenth', pack: 'everyday-more', most: 99, isWanted: kept('everyday-more') },
    { name: 'dev: Tiny ImageNet, 40 others', pack: 'tiny-imagenet-val', most: 40, isWanted: (_, __, c) => c % 5 === 2 },
    { name: 'dev: CIFAR-10, training', pack: 'cifar10-train', most: 60 },
    {
      name: 'dev: Caltech-101, others',
      pack: 'caltech101',
      most: 36,
      least: 36,
      isWanted: (_, name) => !caltech.includes(name),
    },
  ];
}

/**
 * @param folder with the packs
 * @param starter the folder of the starter model, which lists the pictures that training did not see
 */
export async function* labelledSets(folder: string, starter: string): AsyncGenerator<LabelledSet> {
  const heldOut = JSON.parse(await readFile(join(starter, 'recipe/held-out.json'), 'utf8')) as HeldOut;
  const packs = new Map<string, Promise<Pack>>();
  for (const choice of choices(heldOut)) {
    const pack = packs.get(choice.pack) ?? readPack(join(folder, choice.pack));
    packs.set(choice.pack, pack);
    yield setOf(await pack, choice);
  }
}

async function readPack(path: string): Promise<Pack> {
  const { offsets, labels, classes } = JSON.parse(await readFile(`${path}.json`, 'utf8')) as {
    readonly offsets: readonly number[];
    readonly labels: readonly number[];
    readonly classes: readonly (string | readonly string[])[];
  };
  const bytes = await readFile(`${path}.bin`);
  return {
    classes: classes.map((names) => (typeof names === 'string' ? names.split('/') : names)[0] as string),
    labels,
    files: labels.map((_, row) => bytes.subarray(offsets[row], offsets[row + 1])),
  };
}

/** Classes with the same name are one class. */
function setOf(
  { classes, labels, files }: Pack,
  { name, isWanted = () => true, most, least = 2 }: Choice,
): LabelledSet {
  const members = new Map<string, number[]>();
  for (const [row, c] of labels.entries()) {
    const label = classes[c] as string;
    if (!isWanted(row, label, c)) continue;
    const rows = members.get(label) ?? [];
    members.set(label, rows);
    rows.push(row);
  }
  const kept = [...members].filter(([, rows]) => rows.length >= least);
  const chosen = kept.flatMap(([, rows], c) => {
    const step = Math.max(1, rows.length / most);
    return rows.filter((_, at) => Math.floor(at / step) !== Math.floor((at - 1) / step)).map((row) => ({ row, c }));
  });
  return {
    name,
    classes: kept.map(([label]) => label),
    labels: chosen.map(({ c }) => c),
    files: chosen.map(({ row }) => files[row] as Uint8Array),
  };
}
