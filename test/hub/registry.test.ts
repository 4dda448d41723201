import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseRepo } from '../../src/hub/names.ts';
import { findCard, modelCards, namesOf, parseCard } from '../../src/hub/registry.ts';
import { repository } from '../paths.ts';

const cards = await modelCards();
/** OpenAI's channel means (openai/CLIP, clip.py); .5 is what open_clip's pretrained.py has for the others. */
const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073];

describe('the model cards', () => {
  it('answer to one name each, whatever the case of its letters', async () => {
    const names = cards.flatMap((card) => [...new Set(namesOf(card).map((name) => name.toLowerCase()))]);
    expect(new Set(names).size).toBe(names.length);
    for (const card of cards) for (const name of namesOf(card)) expect(await findCard(name.toUpperCase())).toBe(card);
  });

  it.each([
    ['ViT-B/32', 'clip-vit-b-32'],
    ['ViT-B-32', 'clip-vit-b-32'],
    ['openai/clip-vit-large-patch14-336', 'clip-vit-l-14-336'],
    ['ViT-L/14@336px', 'clip-vit-l-14-336'],
    ['laion/CLIP-ViT-B-16-laion2B-s34B-b88K', 'laion2b-vit-b-16'],
    ['ViT-L-14/datacomp_xl_s13b_b90k', 'datacomp-vit-l-14'],
    ['google/siglip2-base-patch16-224', 'siglip2-b-16'],
  ])('know %s', async (alias, name) => {
    expect((await findCard(alias))?.name).toBe(name);
  });

  it('have the preprocessing that open_clip has, its exception too', async () => {
    for (const card of cards) {
      const half = card.family === 'siglip' || card.name === 'laion2b-vit-l-14';
      expect([card.name, card.preprocessing.mean]).toEqual([card.name, half ? [0.5, 0.5, 0.5] : CLIP_MEAN]);
      expect(card.preprocessing.fit).toBe(card.family === 'siglip' ? 'squash' : 'crop');
      expect(card.preprocessing.size).toBe(card.name.endsWith('-336') ? 336 : 224);
    }
  });

  it('have an accuracy with its source, and say what nobody has checked', () => {
    for (const { imagenetZeroShot, unverified, sources } of cards) {
      expect(imagenetZeroShot.top1).toBeGreaterThan(0.4);
      expect(imagenetZeroShot.source).toMatch(/\w/);
      expect(unverified.length).toBeGreaterThan(0);
      for (const { repo, digests } of sources) {
        expect(parseRepo(repo).repo).toBe(repo);
        for (const { sha256, verified } of digests) expect([sha256.length, verified]).toEqual([64, false]);
      }
    }
  });

  it.each([
    ['sources', [], /sources is empty/],
    ['family', 'blip', /family must be one of clip, siglip/],
    ['activation', 3, /activation is no text/],
    ['scoring', { kind: 'softmax', logitScale: '100', logitBias: null }, /logitScale is no number/],
    ['preprocessing', {}, /size is no number/],
  ])('are refused with a wrong %s', (field, value, message) => {
    const card = JSON.parse(readFileSync(join(repository, 'models/cards/clip-vit-b-32.json'), 'utf8'));
    expect(() => parseCard({ ...card, [field]: value })).toThrow(message);
  });
});
