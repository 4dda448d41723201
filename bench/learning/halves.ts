// Sets of few pictures: 1 to 6 of each class, half of them examples. Does learning beat words alone?
//
//     tsx bench/learning/halves.ts /tmp/few-shot                # after bench/learning/embed.ts
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { argv, stdout } from 'node:process';
import { row } from '../../src/tensor.ts';
import { dice } from '../../test/cli/program.ts';
import { type Embeddings, readEmbeddings } from './embeddings.ts';
import { judge, type Scored } from './judge.ts';
import { shuffle } from './shuffle.ts';

const SETS = 40;
const [LEAST_CLASSES, MOST_CLASSES, MOST_PICTURES] = [6, 20, 6];

const [, , folder = '/tmp/few-shot', only = ''] = argv;
const names = JSON.parse(await readFile(join(folder, 'sets.json'), 'utf8')) as string[];
for (const name of names.filter((one) => one.includes(only))) {
  const set = await readEmbeddings(folder, name);
  const roll = dice(17);
  const sets: Half[] = [];
  for (let n = 0; n < SETS; n++) sets.push(await half(set, roll));
  const mean = (of: (one: Half) => number) => (100 * sets.reduce((sum, one) => sum + of(one), 0)) / SETS;
  const gains = sets.map(({ all: [words, learned] }) => 100 * (learned - words)).sort((a, b) => a - b);
  const show = (test: 'own' | 'all') =>
    `words ${mean((one) => one[test][0]).toFixed(1)}, learned ${mean((one) => one[test][1]).toFixed(1)}`;
  const least = [gains[0], gains[Math.floor(SETS / 10)]].map((gain = 0) => gain.toFixed(1)).join(', ');
  stdout.write(
    `${name}: own half: ${show('own')}; all other pictures: ${show('all')}, least and tenth-least gain ${least}\n`,
  );
}

/** The accuracy of words and of `learn`: on the other half of a set, and on all other pictures of its classes, which is less noisy. */
interface Half {
  readonly own: readonly [words: number, learned: number];
  readonly all: readonly [words: number, learned: number];
}

/** A class and the classes with the nearest words, because the set of a user has one theme. */
async function half(set: Embeddings, roll: () => number): Promise<Half> {
  const count = LEAST_CLASSES + Math.floor(roll() * (MOST_CLASSES - LEAST_CLASSES + 1));
  const first = Math.floor(roll() * set.classes.length);
  const words = { rows: set.classes.length, columns: set.width, data: set.words };
  const near = (c: number) =>
    row(words, c).reduce((sum, value, d) => sum + value * (row(words, first)[d] as number), 0);
  const chosen = [...set.classes.keys()].sort((a, b) => near(b) - near(a)).slice(0, count);
  const rows = chosen.flatMap((c) => {
    const own = set.labels.flatMap((label, n) => (label === c ? [n] : []));
    return shuffle(own, roll).slice(0, 1 + Math.floor(roll() * MOST_PICTURES));
  });
  const mixed = shuffle(rows, roll);
  const examples = mixed.slice(0, Math.ceil(mixed.length / 2));
  const own = mixed.slice(examples.length);
  const known = new Set(mixed);
  const used = new Set(mixed.map((n) => set.labels[n]));
  const others = set.labels.flatMap((label, n) => (used.has(label) && !known.has(n) ? [n] : []));
  const { scored } = await judge(set, { examples, tests: [...own, ...others] });
  const accuracies = (count: number) => scored.map((one) => rightOf(one.slice(0, count)));
  const [of, all] = [accuracies(own.length), accuracies(own.length + others.length)];
  return { own: [of[0] ?? 0, of[1] ?? 0], all: [all[0] ?? 0, all[1] ?? 0] };
}

function rightOf(scored: Scored): number {
  return scored.filter(([, right]) => right === 1).length / scored.length;
}
