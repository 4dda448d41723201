import { expect, it } from 'vitest';
import { findCard, modelCards } from '../../src/hub/registry.ts';
import { blueprint, describeCard, parametersOf } from '../../src/model/blueprint.ts';
import { speedOf } from '../../src/model/speed.ts';
import { inspection } from '../../src/output/inspection.ts';

// Sizes of the files that the Hub has, from public records of November 2026 (two sources agree about each).
// A file has four bytes for each parameter, a header of names, and in some exports two lists of position ids.
const MOST_HEADER = 100_000;

it.each((await modelCards()).map((card) => [card.name, card] as const))('%s has the size of its file', (_, card) => {
  const known = card.sources.flatMap(({ digests }) =>
    digests.filter(({ path, size, verified }) => verified && size !== undefined && path.endsWith('.safetensors')),
  );
  for (const { size = 0 } of known) {
    const header = size - 4 * parametersOf(blueprint(card));
    expect(header).toBeGreaterThan(0);
    expect(header).toBeLessThan(MOST_HEADER);
  }
});

it.each([
  ['ViT-B/32', 50, 768, 'fast'],
  ['ViT-B/16', 197, 768, 'medium'],
  ['ViT-L/14', 257, 1024, 'slow'],
  ['ViT-L/14@336px', 577, 1024, 'very slow'],
  ['TinyCLIP-ViT-8M-16', 197, 256, 'very fast'],
])('%s has %i tokens of width %i and is %s', async (name, tokens, width, speed) => {
  const card = await findCard(name);
  if (card === undefined) throw new Error(`no card is called ${name}`);
  const { architecture } = blueprint(card);
  expect(architecture.image).toMatchObject({ kind: 'vit', tokens, width });
  expect(speedOf(architecture)).toBe(speed);
  const description = await describeCard(name, { CLIP_CLASSIFY_CACHE: '/nowhere' });
  expect(description && inspection(description)).toMatch(new RegExp(`tokens +\\[B, ${tokens}, ${width}\\]`));
});

// Widths and heads of OpenAI's model list (openai/CLIP, clip.py), as open_clip's configs have them.
it.each([
  ['RN50', 32, 7, 'fast'],
  ['RN101', 32, 7, 'medium'],
  ['RN50x4', 40, 9, 'medium'],
  ['RN50x16', 48, 12, 'slow'],
  ['RN50x64', 64, 14, 'very slow'],
])('%s is a ResNet whose pooling has %i heads over a grid of %i and is %s', async (name, heads, grid, speed) => {
  const card = await findCard(name);
  if (card === undefined) throw new Error(`no card is called ${name}`);
  const { architecture } = blueprint(card);
  expect(architecture.image).toMatchObject({ kind: 'resnet', heads, grid });
  expect(speedOf(architecture)).toBe(speed);
});

it('has text encoders that are a BERT and an XLM-RoBERTa', async () => {
  const [chinese, laion] = [await findCard('Chinese-CLIP'), await findCard('xlm-roberta-base-ViT-B-32')];
  if (chinese === undefined || laion === undefined) throw new Error('a card is missing');
  // The safetensors of Chinese-CLIP and the pickle have the same tensors: 753,177,983 bytes with the pickle's own records.
  expect(4 * parametersOf(blueprint(chinese))).toBeLessThan(753_177_983);
  expect(4 * parametersOf(blueprint(chinese))).toBeGreaterThan(752_900_000);
  expect(blueprint(chinese).architecture.text).toMatchObject({ kind: 'bert', context: 52, projections: 1 });
  expect(blueprint(laion).architecture.text).toMatchObject({ kind: 'bert', firstPosition: 2, projections: 2 });
});
