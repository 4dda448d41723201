import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClassifier } from '../src/classifier.ts';
import { type Clip, loadModel } from '../src/clip.ts';
import { hasShared, repository, shared } from './paths.ts';

let starter: Clip;
beforeAll(async () => {
  starter = await loadModel('starter', { batch: 64 });
});
afterAll(() => starter.release());

describe('the starter model', () => {
  it('fits in 16 MB', async () => {
    expect((await stat(join(repository, 'models/starter/model.safetensors'))).size).toBeLessThan(16e6);
  });

  it.each([
    ['cat.jpg', 'cat'],
    ['rocket.jpg', 'rocket'],
    ['bricks.jpg', 'brick wall'],
  ])('sees in %s a %s', async (file, label) => {
    const classifier = await createClassifier(starter, ['cat', 'dog', 'rocket', 'brick wall']);
    for await (const result of classifier.classify([join(repository, 'examples', file)])) {
      expect(result.ok && result.labels[0]?.label).toBe(label);
    }
  });

  // Ten names, "a photo of a {}", on every tenth picture; all 10,000 are in the model card.
  it.skipIf(!hasShared)('names at least 60 % of cifar10-test (../shared; skipped where it is missing)', async () => {
    const { labels, offsets, classes } = JSON.parse(await readFile(`${shared}training/cifar10-test.json`, 'utf8'));
    const bytes = await readFile(`${shared}training/cifar10-test.bin`);
    const names: string[] = classes.map(([name]: string[]) => name);
    const numbers = Array.from({ length: 1_000 }, (_, n) => n * 10);
    const pictures = numbers.map((n) => ({ name: String(n), bytes: bytes.subarray(offsets[n], offsets[n + 1]) }));
    const classifier = await createClassifier(starter, names);
    let right = 0;
    for await (const result of classifier.classify(pictures, { top: 1 })) {
      if (!result.ok) throw result.error;
      if (result.labels[0]?.label === names[labels[Number(result.image)]]) right++;
    }
    expect(right / pictures.length).toBeGreaterThanOrEqual(0.6);
  });
});
