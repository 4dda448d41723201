#!/usr/bin/env node
// The figures of the model card, through the product: the pictures are written to a temporary folder and classified by
// bin/clip-classify.js with its default prompt, `a photo of a {}`.
//
//     node models/starter/measure.mjs [folder of the training data, default ../shared/training]
//
// Needs `npm run build` first. About a minute on two quiet cores.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const data = process.argv[2] ?? join(repository, '../shared/training');
const scratch = await mkdtemp(join(tmpdir(), 'starter-measure-'));
const BINS = 15; // of the calibration error

// Never shown in training (recipe/classes.py).
const HELD_OUT = [
  'helicopter',
  'kangaroo',
  'rooster',
  'dolphin',
  'laptop',
  'strawberry',
  'soccer ball',
  'grand piano',
  'sunflower',
  'rhinoceros',
];

const readJson = async (path) => JSON.parse(await readFile(path, 'utf8'));
const print = (line) => process.stdout.write(`${line}\n`);
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const mean = (numbers) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

/** One packed set: the bytes and the class number of each picture, and the names of each class. */
async function readSet(name) {
  const { offsets, labels, classes } = await readJson(join(data, `${name}.json`));
  const bytes = await readFile(join(data, `${name}.bin`));
  const pictures = labels.map((label, n) => ({ label, bytes: bytes.subarray(offsets[n], offsets[n + 1]) }));
  return { pictures, classes: classes.map((names) => (Array.isArray(names) ? names : names.split('/'))) };
}

/**
 * The logits that the command line prints for pictures and labels. Those of several label sets are got in one run: a
 * softmax over some of them is what a run with these alone would print.
 *
 * @returns per picture a map from label to logit
 */
async function classify(pictures, labels) {
  const folder = join(scratch, 'pictures');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  for (const [n, { bytes }] of pictures.entries()) await writeFile(join(folder, `${n}.webp`), bytes);
  const list = join(scratch, 'labels.txt');
  await writeFile(list, [...new Set(labels)].join('\n'));
  const command = [join(repository, 'bin/clip-classify.js'), folder, '--labels-file', list, '-m', 'starter'];
  const child = spawn(process.execPath, [...command, '-k', 'all', '-f', 'jsonl', '--batch', '64', '--quiet'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const rows = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const { image, labels: ranked, error } = JSON.parse(line);
    if (error) throw new Error(`${image}: ${error.message}`);
    rows[Number(basename(image, '.webp'))] = new Map(ranked.map(({ label, logit }) => [label, logit]));
  }
  const [code] = await ended;
  if (code !== 0 || rows.length !== pictures.length) throw new Error(`exit code ${code}, ${rows.length} rows`);
  return rows;
}

/** Per picture with a truth: that, the five best of the names, as indices, and the best one's probability. */
function answers(rows, names, truths) {
  return rows.flatMap((logits, n) => {
    const truth = truths[n];
    if (truth < 0) return [];
    const ranked = names.map((_, i) => i).sort((a, b) => logits.get(names[b]) - logits.get(names[a]));
    const best = logits.get(names[ranked[0]]);
    const score = 1 / names.reduce((sum, name) => sum + Math.exp(logits.get(name) - best), 0);
    return [{ truth, ranked: ranked.slice(0, 5), score }];
  });
}

const right = ({ truth, ranked }) => Number(ranked[0] === truth);
const accuracy = (rows) => mean(rows.map(right));

/** Mean gap between probability and accuracy over equal bins of the probability, weighted by their pictures. */
function calibrationError(rows) {
  const bins = Array.from({ length: BINS }, () => []);
  for (const row of rows) bins[Math.min(BINS - 1, Math.floor(row.score * BINS))].push(row);
  const gap = (bin) => Math.abs(mean(bin.map(({ score }) => score)) - accuracy(bin));
  return bins.reduce((sum, bin) => sum + (bin.length > 0 ? (gap(bin) * bin.length) / rows.length : 0), 0);
}

function printPerName(rows, names) {
  for (const [n, name] of names.entries()) {
    const mine = rows.filter(({ truth }) => truth === n);
    print(`    ${name}: ${percent(accuracy(mine))} of ${mine.length}`);
  }
}

try {
  const { cifar10, 'tiny-imagenet-groups': groups } = await readJson(join(data, 'eval-labels.json'));

  const cifar = (await readSet('cifar10-test')).pictures;
  const cifarRows = await classify(cifar, [...cifar10.names, ...cifar10.synonyms]);
  const cifarTruths = cifar.map(({ label }) => label);
  const named = answers(cifarRows, cifar10.names, cifarTruths);
  print(
    `cifar10-test, ten names: ${percent(accuracy(named))}; calibration error ${calibrationError(named).toFixed(4)}`,
  );
  printPerName(named, cifar10.names);
  const other = answers(cifarRows, cifar10.synonyms, cifarTruths);
  print(`  ten synonyms: ${percent(accuracy(other))}, ${(accuracy(other) / accuracy(named)).toFixed(3)} of that`);
  printPerName(other, cifar10.synonyms);

  const { pictures: tiny, classes: tinyClasses } = await readSet('tiny-imagenet-val');
  const [first, words] = [tinyClasses.map(([name]) => name), Object.keys(groups)];
  const tinyRows = await classify(tiny, [...first, ...words]);
  const tinyTruths = tiny.map(({ label }) => label);
  const all = answers(tinyRows, first, tinyTruths);
  const five = mean(all.map(({ truth, ranked }) => Number(ranked.includes(truth))));
  print(`tiny-imagenet-val, 200 names: ${percent(accuracy(all))}, first five ${percent(five)}`);
  print(`  calibration error ${calibrationError(all).toFixed(4)}`);
  const groupOf = (label) => Object.values(groups).findIndex((members) => members.includes(label));
  const six = answers(tinyRows, words, tinyTruths.map(groupOf));
  print(`  six groups: ${percent(accuracy(six))}`);
  printPerName(six, words);

  const caltech = await readSet('caltech101');
  const heldOut = caltech.pictures
    .map((p) => ({ ...p, truth: HELD_OUT.findIndex((name) => caltech.classes[p.label].includes(name)) }))
    .filter(({ truth }) => truth >= 0);
  const truths = heldOut.map(({ truth }) => truth);
  const zero = answers(await classify(heldOut, HELD_OUT), HELD_OUT, truths);
  const perClass = HELD_OUT.map((_, n) => accuracy(zero.filter(({ truth }) => truth === n)));
  print(`held-out classes, ten names: ${percent(accuracy(zero))} of ${zero.length}`);
  print(`  mean of classes ${percent(mean(perClass))}`);
  printPerName(zero, HELD_OUT);
} finally {
  await rm(scratch, { recursive: true, force: true });
}
