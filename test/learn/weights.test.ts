import { describe, expect, it } from 'vitest';
import { chooseWeights, type Evidence, logLoss } from '../../src/learn/weights.ts';
import { randomNumbers } from './examples.ts';

/** Logits of 60 pictures of 3 classes: the truth is ahead by `lead`, among noise. */
function logits(lead: number, seed: number): Float64Array {
  const next = randomNumbers(seed);
  return Float64Array.from({ length: 180 }, (_, at) => 3 * next() + (at % 3 === Math.floor(at / 3) % 3 ? lead : 0));
}
const evidence = (words: Float64Array | undefined, pictures: Float64Array): Evidence => ({
  classCount: 3,
  classes: Array.from({ length: 60 }, (_, n) => n % 3),
  words,
  pictures: Array.from({ length: 60 }, (_, n) => pictures.subarray(n * 3, n * 3 + 3)),
});

describe('the weights', () => {
  it('are larger for the better of words and pictures', () => {
    const wordsFail = chooseWeights(evidence(logits(0, 1), logits(4, 2)), 16);
    const wordsKnow = chooseWeights(evidence(logits(4, 1), logits(0, 2)), 16);
    expect(wordsFail.words).toBeLessThan(0.3);
    expect(wordsFail.pictures).toBeGreaterThan(3 * wordsFail.words);
    expect(wordsKnow.words).toBeGreaterThan(3 * wordsKnow.pictures);
  });

  it('are 0 for words if there are no words', () => {
    expect(chooseWeights(evidence(undefined, logits(4, 2)), 16).words).toBe(0);
  });

  it('stay near the prior if no picture can be left out', () => {
    const few: Evidence = { classCount: 3, classes: [0], words: Float64Array.of(2, 0, 0), pictures: [undefined] };
    const { words, pictures } = chooseWeights(few, 450);
    expect(words).toBeGreaterThan(0.8);
    expect(words).toBeLessThan(2);
    expect(pictures).toBeGreaterThan(0.004);
    expect(pictures).toBeLessThan(0.02);
  });
});

it('log loss is minus the logarithm of the softmax', () => {
  expect(logLoss([1, 2, 1000], 0)).toBeCloseTo(999, 9);
  expect(logLoss([0, 0], 1)).toBeCloseTo(Math.log(2), 12);
});
