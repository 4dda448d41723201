#!/usr/bin/env node
// The figures of the model card, through the product: the pictures are written to a temporary folder and classified by
// bin/clip-classify.js with its default prompt, `a photo of a {}`.
//
//     node models/starter/measure.mjs [folder of the training data, default ../shared/training] [pictures of a test set]
//         [folder of a model that train.py --all-names wrote]
//
// The shipped head saw no picture of twenty words and ten classes, so all of these pictures are measured. A head of --all-names learnt
// from most of them, and is measured on those that were held aside.
//
// Needs `npm run build` first. Half an hour on two quiet cores; with 2000 as the second argument some ten minutes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const data = process.argv[2] ?? join(repository, '../shared/training');
const most = Number(process.argv[3] ?? Number.POSITIVE_INFINITY); // of a test set's pictures
const allNames = process.argv[4];
const scratch = await mkdtemp(join(tmpdir(), 'starter-measure-'));
const BINS = 15; // of the calibration error

const readJson = async (path) => JSON.parse(await readFile(path, 'utf8'));
const print = (line) => process.stdout.write(`${line}\n`);
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const mean = (numbers) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

/** One packed set: the bytes and the class number of each picture, and the names of each class. */
async function readSet(name) {
  const { offsets, labels, classes } = await readJson(join(data, `${name}.json`));
  const bytes = await readFile(join(data, `${name}.bin`));
  const pictures = labels.map((label, row) => ({ row, label, bytes: bytes.subarray(offsets[row], offsets[row + 1]) }));
  return { pictures, classes: classes.map((names) => (Array.isArray(names) ? names : names.split('/'))) };
}

/** Photographs of one class each, which the file's name tells: `n01616318_vulture.JPEG`. */
async function readPhotographs(folder) {
  const files = (await readdir(folder)).filter((name) => /^n\d+_/u.test(name)).sort();
  const pictures = await Promise.all(
    files.map(async (name, row) => ({ row, label: row, bytes: await readFile(join(folder, name)) })),
  );
  return {
    pictures,
    classes: files.map((name) => [
      name
        .replace(/^n\d+_/u, '')
        .replace(/\.\w+$/u, '')
        .replaceAll('_', ' '),
    ]),
  };
}

/**
 * The logits that the command line prints for pictures and labels. One run can take the labels of more than one set, because the
 * softmax over the logits of one set gives the scores of a run with that set alone.
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
  const model = allNames ?? 'starter';
  const command = [join(repository, 'bin/clip-classify.js'), folder, '--labels-file', list, '-m', model];
  const options = ['-k', 'all', '-f', 'jsonl', '--batch', '64', '--timeout', '300', '--quiet']; // also on a busy machine
  const child = spawn(process.execPath, [...command, ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
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

/** `most` pictures, evenly from the whole set. */
function some(pictures) {
  const step = Math.max(1, pictures.length / most);
  return Array.from({ length: Math.floor(pictures.length / step) }, (_, n) => pictures[Math.floor(n * step)]);
}

/** Classifies pictures among the first names of their own classes, and prints the figures. */
async function measureNames(title, { pictures, classes }, chosen, perName = false) {
  const shown = pictures.filter(chosen);
  const present = [...new Set(shown.map(({ label }) => label))].sort((a, b) => a - b);
  const names = present.map((label) => classes[label][0]);
  const rows = answers(
    await classify(shown, names),
    names,
    shown.map(({ label }) => present.indexOf(label)),
  );
  const five = mean(rows.map(({ truth, ranked }) => Number(ranked.includes(truth))));
  const error = calibrationError(rows).toFixed(4);
  print(`${title}: ${percent(accuracy(rows))}, first five ${percent(five)}; calibration error ${error}`);
  print(`  ${rows.length} pictures, ${names.length} names`);
  if (perName) printPerName(rows, names);
}

try {
  const { cifar10, 'tiny-imagenet-groups': groups } = await readJson(join(data, 'eval-labels.json'));
  const heldOut = await readJson(fileURLToPath(new URL('recipe/held-out.json', import.meta.url)));
  const aside = (set) => {
    const rows = new Set(heldOut.aside[set].split(' ').map(Number));
    return ({ row }) => rows.has(row);
  };

  const everyday = await readSet('everyday');
  await measureNames('everyday, held-aside tenth', everyday, aside('everyday'));
  const isWord = ({ label }) => heldOut.words.includes(everyday.classes[label][0]);
  const isAside = aside('everyday');
  const notLearnt = (set) => (allNames ? aside(set) : () => true);
  await measureNames(
    'everyday, held-aside tenth without the held-out words',
    everyday,
    (p) => isAside(p) && !isWord(p),
  );
  await measureNames('everyday, twenty held-out words', everyday, (p) => isWord(p) && notLearnt('everyday')(p), true);
  await measureNames('everyday-more, held-aside tenth', await readSet('everyday-more'), aside('everyday-more'));
  await measureNames(
    'imagenette, held-aside pictures',
    await readSet('imagenette-train'),
    aside('imagenette-train'),
    true,
  );
  await measureNames('150 photographs at full size', await readPhotographs(join(data, '../photos')), () => true);
  const caltech = await readSet('caltech101');
  const isOfTen = ({ label }) => caltech.classes[label].some((name) => heldOut.caltech.includes(name));
  await measureNames(
    'caltech101, ten held-out classes',
    caltech,
    (p) => isOfTen(p) && notLearnt('caltech101')(p),
    true,
  );

  const cifar = some((await readSet('cifar10-test')).pictures);
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

  const { pictures: tinyAll, classes: tinyClasses } = await readSet('tiny-imagenet-val');
  const tiny = some(tinyAll);
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
} finally {
  await rm(scratch, { recursive: true, force: true });
}
