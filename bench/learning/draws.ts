// The gain of `learn` with few pictures: ten draws from each set, and `learn` of this package runs on every draw.
//
//     tsx bench/learning/draws.ts /tmp/few-shot                 # after bench/learning/embed.ts
//     python bench/peers/few_shot.py /tmp/few-shot              # other methods on the same draws, and the table
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { argv, stderr } from 'node:process';
import { dice } from '../../test/cli/program.ts';
import { type Embeddings, readEmbeddings } from './embeddings.ts';
import { judge, type Verdict } from './judge.ts';
import { shuffle } from './shuffle.ts';

/** Pictures of a draw, by their rows. */
export interface Draw {
  readonly set: string;
  /** The number of examples of each class. */
  readonly shots: number;
  readonly examples: readonly number[];
  readonly tests: readonly number[];
}

const SHOTS = [1, 2, 4, 8, 16];
const DRAWS = 10;
/** The number of test pictures of each class. */
const TESTS = 15;
/** A class takes part if it has this many pictures in addition to the examples. */
const LEAST_TESTS = 3;

const [, , folder = '/tmp/few-shot', only = ''] = argv;
const names = JSON.parse(await readFile(join(folder, 'sets.json'), 'utf8')) as string[];
const rows: (Draw & { readonly ours: Verdict })[] = [];
for (const name of names.filter((one) => one.includes(only))) {
  const set = await readEmbeddings(folder, name);
  for (const shots of SHOTS) {
    const draws = drawsOf(set, shots);
    for (const draw of draws) rows.push({ ...draw, ours: await judge(set, draw) });
    const last = rows.slice(rows.length - draws.length).map(({ ours }) => ours);
    const mean = (of: (one: Verdict) => number) =>
      ((100 * last.reduce((sum, one) => sum + of(one), 0)) / last.length).toFixed(1);
    if (draws.length > 0)
      stderr.write(
        `${name}, ${shots}: zero-shot ${mean((one) => one.zeroShot)}, learned ${mean((one) => one.learned)}, images alone ${mean((one) => one.alone)}\n`,
      );
  }
}
await writeFile(join(folder, 'draws.json'), JSON.stringify(rows));

/** The same draws for every method. Empty if fewer than half of the classes have enough pictures. */
function drawsOf(set: Embeddings, shots: number): Draw[] {
  const members = set.classes.map((_, c) => set.labels.flatMap((label, n) => (label === c ? [n] : [])));
  const able = members.filter((rows) => rows.length >= shots + LEAST_TESTS);
  if (able.length < set.classes.length / 2) return [];
  const roll = dice(shots);
  return Array.from({ length: DRAWS }, () => {
    const shuffled = able.map((rows) => shuffle(rows, roll));
    return {
      set: set.name,
      shots,
      examples: shuffled.flatMap((rows) => rows.slice(0, shots)),
      tests: shuffled.flatMap((rows) => rows.slice(shots, shots + TESTS)),
    };
  });
}
