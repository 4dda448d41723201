import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createClassifier } from '../src/classifier.ts';
import { loadModel } from '../src/clip.ts';
import golden from './golden/peers.json' with { type: 'json' };
import { fixture } from './paths.ts';

/**
 * Checkpoints that transformers and open_clip saved with their own functions, and the probabilities of their own processor,
 * tokenizer and model (test/golden/record_peers.py). Both sides compute in float32 but add in another order: 1e-5.
 */
describe('a checkpoint of another library gives the probabilities that the other library computes', () => {
  it.each(golden.cases)('$kind ($library)', async ({ kind, labels, template, probabilities }) => {
    const model = await loadModel(fixture(`peers/${kind}`), { threads: 1, batch: 3 });
    const classifier = await createClassifier(model, labels, { templates: [template] });
    const images = golden.images.map((name) => fixture(`images/${name}`));
    const rows: number[][] = [];
    for await (const result of classifier.classify(images, { top: labels.length })) {
      if (!result.ok) throw result.error;
      const scores = new Map(result.labels.map(({ label, score }) => [label, score]));
      rows.push(labels.map((label) => scores.get(label) ?? Number.NaN));
    }
    await model.release();
    expect(rows).toHaveLength(probabilities.length);
    const distances = rows.flatMap((row, n) => row.map((p, l) => Math.abs(p - (probabilities[n]?.[l] ?? Number.NaN))));
    expect(distances).toHaveLength(images.length * labels.length);
    expect(Math.max(...distances)).toBeLessThan(1e-5);
  });
});

it('names what a text encoder of sentence-transformers lacks', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'peers-'));
  const source = fixture('peers/sentence-transformers');
  await cp(source, folder, { recursive: true, filter: (path) => !path.includes('0_CLIPModel') });
  await expect(loadModel(folder)).rejects.toThrow(/holds a text encoder of sentence-transformers only/);
  await rm(folder, { recursive: true });
});
