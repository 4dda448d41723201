import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClassifier } from '../src/classifier.ts';
import { type Clip, loadModel } from '../src/clip.ts';
import type { Embedded } from '../src/embed/encoder.ts';
import { row } from '../src/tensor.ts';
import golden from './golden/starter.json' with { type: 'json' };
import { hasShared, repository, shared } from './paths.ts';

let starter: Clip;
beforeAll(async () => {
  starter = await loadModel('starter', { batch: 64 });
});
afterAll(() => starter.release());

describe('the starter model', () => {
  it('fits in 40 MB', async () => {
    expect((await stat(join(repository, 'models/starter/model.safetensors'))).size).toBeLessThan(40e6);
  });

  const NAMES = ['cat', 'dog', 'rocket', 'brick wall'];
  const firstLabel = async (file: string, labels: readonly string[]) => {
    const classifier = await createClassifier(starter, labels);
    const result = await classifier.classifyOne(join(repository, 'examples', file));
    return result.ok && result.labels[0]?.label;
  };

  it.each([
    ['cat.jpg', 'cat', NAMES],
    ['rocket.jpg', 'rocket', NAMES],
    ['bricks.jpg', 'brick wall', NAMES],
    ['coffee.jpg', 'cup of coffee', [...NAMES, 'cup of coffee']],
    ['astronaut.jpg', 'astronaut', [...NAMES, 'astronaut']],
  ])('sees in %s a %s', async (file, label, labels) => {
    expect(await firstLabel(file, labels)).toBe(label);
  });
});

describe(`embeddings agree with ${golden.source}`, () => {
  const tolerance = golden.tolerance; // float32 on both sides, sums in another order
  const gap = (a: Float32Array, b: readonly number[]) => Math.max(...b.map((x, n) => Math.abs(x - (a[n] as number))));

  it.each(golden.texts)('$text', async ({ text, ids, embedding }) => {
    const tokens = (await starter.tokenizer()).encode(text).ids;
    expect(tokens).toEqual(ids);
    expect(gap(row(await starter.encodeTexts([text]), 0), embedding)).toBeLessThan(tolerance);
  });

  const isOurs = (name: string) => /^(examples|test)\//.test(name);
  const pictures = golden.pictures.filter(({ name }) => hasShared || isOurs(name));
  it.each(pictures)('$name', async ({ name, embedding }) => {
    const path = isOurs(name) ? join(repository, name) : `${shared}${name.replace('../shared/', '')}`;
    for await (const one of starter.encodeImages([path], { exif: false })) {
      if (!one.ok) throw one.error;
      expect(gap(one.embedding.data, embedding)).toBeLessThan(tolerance);
    }
  });
});

const SAMPLE = 500;

// "a photo of a {}" on a fixed sample; all pictures are in the card. Four standard errors: a rerun never comes close,
// and a layer that is lost or a wrong resampling does not pass.
describe.skipIf(!hasShared)('the card of the starter (../shared/training; skipped where it is missing)', () => {
  it('has the measured accuracy on cifar10-test, with names and with synonyms', async () => {
    const { names, synonyms } = (await labelSets()).cifar10;
    const sample = await sampleOf('cifar10-test');
    await expectCard('CIFAR-10, 2,000', 0, sample, names);
    await expectCard('CIFAR-10, 2,000', 1, sample, synonyms);
  });

  it('has the measured accuracy on tiny-imagenet-val, with names and with groups', async () => {
    const { classes } = await readSet('tiny-imagenet-val');
    const groups = (await labelSets())['tiny-imagenet-groups'];
    const groupOf = (label: number) => Object.values(groups).findIndex((members) => members.includes(label));
    const sample = await sampleOf('tiny-imagenet-val');
    const names = classes.map(([first]) => first!);
    await expectCard('Tiny ImageNet, 2,000', 0, sample, names);
    await expectCard('Tiny ImageNet, 2,000', 1, sample, Object.keys(groups), groupOf);
  });
});

/** An embedded picture and its class. */
interface Sample {
  readonly embedded: Embedded;
  readonly label: number;
}

interface LabelSets {
  readonly cifar10: { readonly names: string[]; readonly synonyms: string[] };
  readonly 'tiny-imagenet-groups': Readonly<Record<string, number[]>>;
}

async function labelSets(): Promise<LabelSets> {
  return JSON.parse(await readFile(`${shared}training/eval-labels.json`, 'utf8'));
}

async function readSet(name: string): Promise<{ offsets: number[]; labels: number[]; classes: string[][] }> {
  return JSON.parse(await readFile(`${shared}training/${name}.json`, 'utf8'));
}

/** Evenly spaced pictures of a packed set, embedded. */
async function sampleOf(name: string): Promise<Sample[]> {
  const { labels, offsets } = await readSet(name);
  const bytes = await readFile(`${shared}training/${name}.bin`);
  const places = Array.from({ length: SAMPLE }, (_, i) => Math.floor((i * labels.length) / SAMPLE));
  const pictures = places.map((n) => ({ name: String(n), bytes: bytes.subarray(offsets[n], offsets[n + 1]) }));
  const sample: Sample[] = [];
  for await (const embedded of starter.encodeImages(pictures)) {
    if (!embedded.ok) throw embedded.error;
    sample.push({ embedded, label: labels[Number(embedded.image)]! });
  }
  return sample;
}

/**
 * @param figure which of the percentages in the first column of figures
 * @param truthOf the place of a class's right name; pictures of classes without one (-1) do not count
 */
async function expectCard(
  title: string,
  figure: number,
  sample: readonly Sample[],
  names: string[],
  truthOf = (label: number) => label,
) {
  const card = await readFile(join(repository, 'models/starter/README.md'), 'utf8');
  const line = card.split('\n').find((text) => text.includes(title));
  const said = Number((line?.split('|')[2]?.match(/\d+\.\d/g) ?? [])[figure]) / 100;
  const known = sample.filter(({ label }) => truthOf(label) >= 0);
  const classifier = await createClassifier(starter, names);
  let [right, n] = [0, 0];
  for await (const result of classifier.rank(inOrder(known), { top: 1 })) {
    if (!result.ok) throw result.error;
    if (result.labels[0]?.label === names[truthOf(known[n++]!.label)]) right++;
  }
  const error = Math.sqrt((said * (1 - said)) / known.length);
  expect(Math.abs(right / known.length - said)).toBeLessThan(4 * error);
}

async function* inOrder(sample: readonly Sample[]): AsyncGenerator<Embedded> {
  for (const { embedded } of sample) yield embedded;
}
