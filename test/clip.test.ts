import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClassifier } from '../src/classifier.ts';
import { type Clip, loadModel } from '../src/clip.ts';
import { openImageGraph } from '../src/embed/image-graph.ts';
import { describeModel } from '../src/model/describe.ts';
import { row } from '../src/tensor.ts';
import golden from './golden/models.json' with { type: 'json' };
import { fixture, hasShared, shared } from './paths.ts';

/**
 * Elements, in float32 on both sides: sums are taken in another order, which moves the last bits of a value of about 1.
 * Ten times less than the 1e-4 that the project promises.
 */
const TOLERANCE = 1e-5;

const largestGap = (actual: ArrayLike<number>, expected: readonly number[]) => {
  expect(actual.length).toBe(expected.length);
  return Math.max(...expected.map((value, i) => Math.abs(value - (actual[i] as number))));
};
/** The reference has raw embeddings, the product unit ones. */
const unit = (values: readonly number[]) => {
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
};

describe(`graphs from checkpoints agree with ${golden.source}`, () => {
  describe.each(golden.cases)('$model', (expected) => {
    let clip: Clip;
    beforeAll(async () => {
      clip = await loadModel(fixture(expected.model), { threads: 1 });
    });
    afterAll(() => clip.release());

    it('reads the trained logit scale, not the initial one of the config', () => {
      expect(clip.logitScale).toBeCloseTo(expected.logit_scale, 4);
    });

    it('encodes images, from file to unit embedding', async () => {
      const files = expected.files.map((file) => fixture(`images/${file}`));
      let n = 0;
      for await (const one of clip.encodeImages(files, { exif: false })) {
        if (!one.ok) throw one.error;
        expect(largestGap(one.embedding.data, unit(expected.image_embeds[n++] as number[]))).toBeLessThan(TOLERANCE);
      }
      expect(n).toBe(files.length);
    });

    it('encodes prompts of different lengths in one batch', async () => {
      const tokenizer = await clip.tokenizer();
      const embeddings = await clip.encodeTokens(expected.prompts.map((prompt) => tokenizer.encode(prompt).ids));
      for (const [n, values] of expected.text_embeds.entries()) {
        expect(largestGap(row(embeddings, n), unit(values))).toBeLessThan(TOLERANCE);
      }
    });

    it.each([
      ['one template', 1, expected.first_template],
      ['an ensemble', 2, expected.ensemble],
    ] as const)('ranks labels with %s', async (_, count, ranked) => {
      const classifier = await createClassifier(clip, expected.labels, {
        templates: expected.templates.slice(0, count),
      });
      let n = 0;
      for await (const result of classifier.classify(
        expected.files.map((file) => fixture(`images/${file}`)),
        { exif: false },
      )) {
        if (!result.ok) throw result.error;
        const inOrder = expected.labels.map((label) => result.labels.find((one) => one.label === label));
        expect(
          largestGap(
            inOrder.map((one) => one?.score ?? Number.NaN),
            ranked.probabilities[n] as number[],
          ),
        ).toBeLessThan(1e-4);
        expect(
          largestGap(
            inOrder.map((one) => one?.cosine ?? Number.NaN),
            ranked.cosines[n] as number[],
          ),
        ).toBeLessThan(TOLERANCE);
        for (const one of result.labels)
          expect(one.logit).toBeCloseTo(one.cosine * clip.logitScale + expected.logit_bias, 6);
        n++;
      }
      expect(n).toBe(expected.files.length);
    });
  });
});

describe('a model', () => {
  it('can be released several times, and then encodes nothing more', async () => {
    const clip = await loadModel(fixture('tiny-class'), { threads: 1 });
    const encode = async () => {
      for await (const one of clip.encodeImages([fixture('images/rgb.png')])) expect(one.ok).toBe(true);
    };
    await encode();
    await clip.release();
    await clip.release();
    await expect(encode()).rejects.toMatchObject({ code: 'E_USAGE', fact: 'the model has been released' });
  });

  it('stops when its signal is aborted', async () => {
    const stop = new AbortController();
    const clip = await loadModel(fixture('tiny-class'), { threads: 1, signal: stop.signal });
    const encode = async () => {
      for await (const _ of clip.encodeImages(Array(50).fill(fixture('images/rgb.png'))))
        stop.abort(new Error('enough'));
    };
    await expect(encode()).rejects.toThrow('enough');
    await clip.release();
  });

  it('refuses an unknown precision or resize method', async () => {
    const odd = { dtype: 'fp8' as 'fp16' };
    await expect(loadModel(fixture('tiny-class'), odd)).rejects.toMatchObject({
      code: 'E_USAGE',
      fact: '`dtype` is fp8',
    });
    const clip = await loadModel(fixture('tiny-class'));
    expect(() => clip.encodeImages([], { resize: 'quick' as 'fast' })).toThrow(
      '`resize` is quick; use one of exact, fast',
    );
  });
});

describe.skipIf(!hasShared)('reference checkpoints (../shared; skipped where it is missing)', () => {
  it.each(['tiny-patch16', 'tiny-patch14-gelu', 'tiny-2d-mean', 'tiny-open-clip', 'tiny-siglip'])(
    '%s',
    async (name) => {
      const folder = `${shared}reference/checkpoints/${name}`;
      const expected = JSON.parse(await readFile(`${folder}/expected.json`, 'utf8'));
      const clip = await loadModel(folder);
      const size = clip.preprocessing.size;
      const pixels = [1, 2, 3].map((n) =>
        Float32Array.from({ length: 3 * size * size }, (_, i) => {
          const [c, y, x] = [Math.floor(i / size / size), Math.floor(i / size) % size, i % size];
          return Math.sin(n * (0.05 * x + 0.031 * y + c));
        }),
      );
      const graph = await openImageGraph(await describeModel(folder), { threads: 1, provider: 'cpu', device: 0 });
      const images = await graph.encode(pixels);
      await expect(graph.encode([new Float32Array(10)])).rejects.toMatchObject({ code: 'E_USAGE' });
      await graph.release();
      const texts = await clip.encodeTokens(expected.input_ids);
      for (let n = 0; n < 3; n++) {
        expect(largestGap(row(images, n), unit(expected.image_embeds[n]))).toBeLessThan(TOLERANCE);
        expect(largestGap(row(texts, n), unit(expected.text_embeds[n]))).toBeLessThan(TOLERANCE);
      }
      expect(clip.logitScale).toBeCloseTo(expected.logit_scale, 4);
      await clip.release();
    },
  );
});
