import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseRepo } from '../../src/hub/names.ts';
import { nearNames } from '../../src/hub/near-names.ts';
import { findCard, modelCards, namesOf, parseCard } from '../../src/hub/registry.ts';
import { repository } from '../paths.ts';

const cards = await modelCards();
/** OpenAI's channel means (openai/CLIP, clip.py); .5 is what open_clip's pretrained.py has for the others. */
const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073];

/** Pixels on a side, of those that do not take 224. */
const SIZES = new Map([
  ['clip-vit-l-14-336', 336],
  ['clip-rn50x4', 288],
  ['clip-rn50x16', 384],
  ['clip-rn50x64', 448],
]);

describe('the model cards', () => {
  it('are found by name in any letter case, each name by one card', async () => {
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

  it('have the preprocessing of open_clip, including its exception', async () => {
    for (const card of cards) {
      const half = card.family === 'siglip' || card.name === 'laion2b-vit-l-14';
      expect([card.name, card.preprocessing.mean]).toEqual([card.name, half ? [0.5, 0.5, 0.5] : CLIP_MEAN]);
      const squashes = card.family === 'siglip' || card.name === 'chinese-clip-vit-b-16';
      expect(card.preprocessing.fit).toBe(squashes ? 'squash' : 'crop');
      expect(card.preprocessing.size).toBe(SIZES.get(card.name) ?? 224);
    }
  });

  it('have an accuracy with its source, and only checksums that two sources confirm', () => {
    for (const { name, imagenetZeroShot, sources, pullable } of cards) {
      if (name === 'chinese-clip-vit-b-16') expect(imagenetZeroShot).toBeNull();
      else {
        expect(imagenetZeroShot?.top1).toBeGreaterThan(0.4);
        expect(imagenetZeroShot?.source).toMatch(/\w/);
      }
      for (const { repo, revision, digests } of sources) {
        expect(parseRepo(repo).repo).toBe(repo);
        if (digests.length > 0) expect(revision).toMatch(/^[0-9a-f]{40}$/);
      }
      const isUnknown = ['datacomp-vit-l-14', 'laion5b-xlm-roberta-vit-b-32'].includes(name);
      expect([name, pullable]).toEqual([name, !isUnknown]);
    }
    const pinned = cards.filter(({ sources: [first] }) => first.digests.some(({ verified }) => verified));
    expect(pinned.length).toBe(12);
  });

  it.each([
    ['vit-b32', ['clip-vit-b-32', 'datacomp-vit-b-32', 'laion2b-vit-b-32']],
    ['ViT-L-14-366', ['clip-vit-l-14-336', 'clip-vit-l-14']],
    ['sigl1p-b-16', ['siglip-b-16']],
    ['nothing like it', []],
  ])('near %s are %j', async (text, near) => {
    expect((await nearNames(text)).slice(0, near.length)).toEqual(near);
    if (near.length === 0) expect(await nearNames(text)).toEqual([]);
  });

  it.each([
    ['sources', [], /sources/],
    ['family', 'blip', /family/],
    ['activation', 3, /activation/],
    ['scoring', { kind: 'softmax', logitScale: '100', logitBias: null }, /scoring\.logitScale/],
    ['preprocessing', {}, /preprocessing\.size/],
  ])('are refused with a wrong %s', (field, value, message) => {
    const card = JSON.parse(readFileSync(join(repository, 'models/cards/clip-vit-b-32.json'), 'utf8'));
    expect(() => parseCard({ ...card, [field]: value })).toThrow(message);
  });
});
