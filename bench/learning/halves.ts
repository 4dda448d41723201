// Sets of few pictures: 1 to 6 of each class, half of them examples and half tests. Does learning beat words alone?
//
//     tsx bench/learning/halves.ts /tmp/few-shot                # after bench/learning/embed.ts
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { argv, stdout } from 'node:process';
import { row } from '../../src/tensor.ts';
import { dice } from '../../test/cli/program.ts';
import { type Embeddings, readEmbeddings } from './embeddings.ts';
import { judge, type Verdict } from './judge.ts';
import { shuffle } from './shuffle.ts';

const SETS = 16;
const [LEAST_CLASSES, MOST_CLASSES, MOST_PICTURES] = [6, 20, 6];

const [, , folder = '/tmp/few-shot', only = ''] = argv;
const names = JSON.parse(await readFile(join(folder, 'sets.json'), 'utf8')) as string[];
for (const name of names.filter((one) => one.includes(only))) {
  const set = await readEmbeddings(folder, name);
  const roll = dice(17);
  const verdicts: Verdict[] = [];
  for (let n = 0; n < SETS; n++) verdicts.push(await half(set, roll));
  const mean = (of: (one: Verdict) => number) => (100 * verdicts.reduce((sum, one) => sum + of(one), 0)) / SETS;
  const gains = verdicts.map(({ zeroShot, learned }) => 100 * (learned - zeroShot));
  stdout.write(
    `${name}: words ${mean((one) => one.zeroShot).toFixed(1)}, learned ${mean((one) => one.learned).toFixed(1)}, least gain ${Math.min(...gains).toFixed(1)}\n`,
  );
}

/** A class and the classes with the nearest words, because the set of a user has one theme. */
async function half(set: Embeddings, roll: () => number): Promise<Verdict> {
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
  return judge(set, { examples, tests: mixed.slice(examples.length) });
}
