import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Architecture, TextTransformer, VisionTransformer } from '../src/checkpoint/architecture.ts';
import { inferArchitecture } from '../src/checkpoint/infer.ts';
import { type Checkpoint, readCheckpoint } from '../src/checkpoint/safetensors.ts';
import { createClassifier, type ImageResult } from '../src/classifier.ts';
import { type LoadOptions, loadModel } from '../src/clip.ts';
import { clipImageGraph, clipTextGraph } from '../src/onnx/clip.ts';
import { buildGraph } from '../src/onnx/encoders.ts';
import { GraphBuilder, type GraphPort } from '../src/onnx/graph.ts';
import { readPorts } from '../src/onnx/ports.ts';
import { fixture } from './paths.ts';

/** The weights of tiny-class in the graphs of every common exporter. The scores must equal those of the checkpoint. */
const SOURCE = fixture('tiny-class');
const LABELS = ['cat', 'small bird', 'house & tree'];
const IMAGES = ['rgb.png', 'turned.jpg', 'grey.png'].map((name) => fixture(`images/${name}`));

let root: string;
let checkpoint: Checkpoint;
let architecture: Architecture;
let image: VisionTransformer;
let text: TextTransformer;
let native: ImageResult[];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'ready-made-'));
  checkpoint = await readCheckpoint(join(SOURCE, 'model.safetensors'));
  architecture = inferArchitecture(checkpoint, JSON.parse(await readFile(join(SOURCE, 'config.json'), 'utf8')));
  if (architecture.image.kind !== 'vit' || architecture.text.kind !== 'transformer') throw new TypeError('not a CLIP');
  [image, text] = [architecture.image, architecture.text];
  native = await scores(SOURCE);
});
afterAll(() => rm(root, { recursive: true }));

async function scores(folder: string, options: LoadOptions = {}): Promise<ImageResult[]> {
  const model = await loadModel(folder, { threads: 1, batch: 2, ...options });
  const classifier = await createClassifier(model, LABELS);
  const results: ImageResult[] = [];
  for await (const result of classifier.classify(IMAGES)) results.push(result);
  await model.release();
  return results;
}

/** Same labels in the same order, every number within 1e-5: float32 sums taken in another order. */
function expectNative(results: readonly ImageResult[]): void {
  expect(results).toHaveLength(native.length);
  for (const [n, result] of results.entries()) {
    const expected = native[n];
    if (!result.ok || !expected?.ok) throw new Error('an image failed');
    for (const [k, label] of result.labels.entries()) {
      expect(label.label).toBe(expected.labels[k]?.label);
      expect(Math.abs(label.score - (expected.labels[k]?.score ?? Number.NaN))).toBeLessThan(1e-5);
      expect(Math.abs(label.cosine - (expected.labels[k]?.cosine ?? Number.NaN))).toBeLessThan(1e-5);
    }
  }
}

/** A model folder: graphs next to a copy of the weights that they point into, and configs. */
async function folderOf(
  name: string,
  graphs: Record<string, Uint8Array>,
  configs: Record<string, string | object>,
): Promise<string> {
  const folder = join(root, name);
  for (const [path, bytes] of Object.entries(graphs)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), bytes);
    // Graphs of exporters contain their weights. These point to a file next to them.
    await cp(join(SOURCE, 'model.safetensors'), join(dirname(join(folder, path)), 'weights.bin'));
  }
  for (const [path, content] of Object.entries(configs)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    if (typeof content === 'string') await cp(join(SOURCE, content), join(folder, path));
    else await writeFile(join(folder, path), JSON.stringify(content));
  }
  return folder;
}

const HUGGING_FACE = {
  'config.json': 'config.json',
  'preprocessor_config.json': 'preprocessor_config.json',
  'tokenizer.json': 'tokenizer.json',
};
const OPEN_CLIP_PREPROCESSING = {
  size: [32, 32],
  mode: 'RGB',
  interpolation: 'bicubic',
  resize_mode: 'shortest',
  fill_color: 0,
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
};

/** A graph builder whose weights are called as {@link folderOf} lays them. */
function builder(): GraphBuilder {
  return new GraphBuilder('test', Object.create(checkpoint, { location: { value: 'weights.bin' } }));
}
const port = (name: string, type: GraphPort['type'], shape: GraphPort['shape']): GraphPort => ({ name, type, shape });

function imageGraph(input: GraphPort, output: GraphPort): Uint8Array {
  const g = builder();
  const pixels = input.type === 'U8' ? normalizeInside(g, input.name) : input.name;
  const raw = g.node('Identity', [pixels]);
  clipImageGraph(g, image, raw, output.name);
  return g.finish([input], [output]);
}

/** uint8 [B, S, S, 3] → (x / 255 - mean) / std as [B, 3, S, S], the constants as fractions. */
function normalizeInside(g: GraphBuilder, bytes: string): string {
  const numbers = (divisor: number, ...values: number[]) =>
    g.node('Div', [g.cast(g.int64s(...values), 'F32'), g.cast(g.int64s(divisor), 'F32')]);
  const scaled = g.node('Div', [g.cast(bytes, 'F32'), numbers(1, 255)]);
  const centred = g.node('Sub', [scaled, numbers(1e8, 48145466, 45782750, 40821073)]);
  return g.node('Transpose', [g.node('Div', [centred, numbers(1e8, 26862954, 26130258, 27577711)])], {
    perm: { ints: [0, 3, 1, 2] },
  });
}

function textGraph(input: GraphPort, output: GraphPort, ...unused: GraphPort[]): Uint8Array {
  const g = builder();
  clipTextGraph(g, text, input.name, output.name);
  return g.finish([input, ...unused], [output]);
}

function jointGraph(): Uint8Array {
  const g = builder();
  clipImageGraph(g, image, 'pixel_values', 'image_embeds');
  clipTextGraph(g, text, 'input_ids', 'text_embeds');
  const unit = (x: string) => g.node('LpNormalization', [x], { axis: { int: 1 }, p: { int: 2 } });
  const cosines = g.node('Gemm', [unit('image_embeds'), unit('text_embeds')], { transB: { int: 1 } });
  g.node('Mul', [cosines, g.node('Exp', [g.weight('logit_scale')])], {}, 'logits_per_image');
  return g.finish(
    [
      port('input_ids', 'I64', ['text', 'tokens']),
      port('pixel_values', 'F32', ['image', 3, 32, 32]),
      port('attention_mask', 'I64', ['text', 'tokens']),
    ],
    [
      port('logits_per_image', 'F32', ['image', 'text']),
      port('text_embeds', 'F32', ['text', 20]),
      port('image_embeds', 'F32', ['image', 20]),
    ],
  );
}

const floats = port('pixel_values', 'F32', ['batch', 3, 32, 32]);
const ids = port('input_ids', 'I64', ['batch', 'tokens']);
const mask = port('attention_mask', 'I64', ['batch', 'tokens']);
const images = port('image_embeds', 'F32', ['batch', 20]);
const texts = port('text_embeds', 'F32', ['batch', 20]);

describe('ONNX models give the scores of the checkpoint that they were exported from', () => {
  it('Xenova, one file per encoder, with an attention mask; the joint graph next to them is not needed', async () => {
    const graphs = {
      'onnx/vision_model.onnx': imageGraph(floats, images),
      'onnx/text_model.onnx': textGraph(ids, texts, mask),
      'onnx/text_model_fp16.onnx': textGraph(ids, texts),
      'onnx/model.onnx': jointGraph(),
    };
    expectNative(await scores(await folderOf('xenova', graphs, HUGGING_FACE), { logitScale: 40 }));
  });

  it('onnx-community, one file per encoder, int32 ids, no mask', async () => {
    const graphs = {
      'onnx/vision_model.onnx': imageGraph(floats, images),
      'onnx/text_model.onnx': textGraph({ ...ids, type: 'I32' }, texts),
    };
    expectNative(await scores(await folderOf('community', graphs, HUGGING_FACE), { logitScale: 40 }));
  });

  it('a joint graph, from which the logit scale is measured', async () => {
    const folder = await folderOf('joint', { 'onnx/model.onnx': jointGraph() }, HUGGING_FACE);
    const model = await loadModel(folder, { threads: 1 });
    expect(model.logitScale).toBeCloseTo(40, 3);
    await model.release();
    expectNative(await scores(folder));
  });

  it('older immich: batch 1, int32, 32 tokens', async () => {
    const embedding = port('embedding', 'F32', [1, 20]);
    const graphs = {
      'visual/model.onnx': imageGraph(port('image', 'F32', [1, 3, 32, 32]), embedding),
      'textual/model.onnx': textGraph(port('text', 'I32', [1, 32]), embedding),
    };
    const configs = {
      'visual/preprocess_cfg.json': OPEN_CLIP_PREPROCESSING,
      'textual/tokenizer.json': 'tokenizer.json',
    };
    expectNative(await scores(await folderOf('immich-old', graphs, configs), { logitScale: 40 }));
  });

  it('immich of 2026: uint8 NHWC with the normalisation inside', async () => {
    const graphs = {
      'visual/model.onnx': imageGraph(
        port('image', 'U8', ['batch', 32, 32, 3]),
        port('image_embedding', 'F32', ['batch', 20]),
      ),
      'textual/model.onnx': textGraph(port('text', 'I32', ['batch', 32]), port('text_embedding', 'F32', ['batch', 20])),
    };
    const configs = {
      'visual/preprocess_cfg.json': OPEN_CLIP_PREPROCESSING,
      'textual/tokenizer.json': 'tokenizer.json',
    };
    expectNative(await scores(await folderOf('immich-new', graphs, configs), { logitScale: 40 }));
  });

  it('Qdrant: one model.onnx per encoder', async () => {
    const graphs = { 'vision/model.onnx': imageGraph(floats, images), 'text/model.onnx': textGraph(ids, texts, mask) };
    expectNative(await scores(await folderOf('qdrant', graphs, HUGGING_FACE), { logitScale: 40 }));
  });

  it('a model with one precision only, without --dtype', async () => {
    const graphs = {
      'onnx/vision_model_quantized.onnx': imageGraph(floats, images),
      'onnx/text_model_quantized.onnx': textGraph(ids, texts),
    };
    const folder = await folderOf('int8', graphs, HUGGING_FACE);
    expectNative(await scores(folder, { logitScale: 40, dtype: 'int8' }));
    expectNative(await scores(folder, { logitScale: 40 }));
    await expect(loadModel(folder, { logitScale: 40, dtype: 'fp32' })).rejects.toThrow(
      /no fp32 ONNX file of an image encoder; choose the precision of one of onnx\/text_model_quantized.onnx/,
    );
  });

  it.each([
    ['fp16', ['vision_model_fp16', 'text_model_fp16', 'vision_model_q4', 'text_model_q4', 'text_model']],
    ['q4', ['vision_model_q4', 'text_model_q4', 'text_model_fp16']],
  ])('without fp32 in the first precision that has both encoders: %s', async (dtype, names) => {
    const graphs = Object.fromEntries(
      names.map((name) => [
        `onnx/${name}.onnx`,
        name.startsWith('v') ? imageGraph(floats, images) : textGraph(ids, texts),
      ]),
    );
    const folder = await folderOf(`only-${dtype}`, graphs, HUGGING_FACE);
    expectNative(await scores(folder, { logitScale: 40 }));
    const model = await loadModel(folder, { logitScale: 40 });
    expect(model.dtype).toBe(dtype);
    await model.release();
  });
});

describe('ONNX models are refused', () => {
  const both = () => ({ 'vision_model.onnx': imageGraph(floats, images), 'text_model.onnx': textGraph(ids, texts) });

  it('without a logit scale, which is never assumed', async () => {
    await expect(loadModel(await folderOf('scale', both(), HUGGING_FACE))).rejects.toThrow(
      /logit scale of scale is unknown.*`logitScale`/,
    );
  });

  it('without the logit bias of a SigLIP', async () => {
    const configs = {
      ...HUGGING_FACE,
      'config.json': { model_type: 'siglip' },
      'tokenizer_config.json': { pad_token: '!' },
    };
    const folder = await folderOf('siglip', both(), configs);
    await expect(loadModel(folder, { logitScale: 40 })).rejects.toThrow(/logit scale and bias of siglip are unknown/);
    const model = await loadModel(folder, { logitScale: 40, logitBias: -1, threads: 1 });
    expect(model).toMatchObject({ logitScale: 40, logitBias: -1 });
    await model.release();
  });

  it('if the dimensions of the encoders differ', async () => {
    const graphs = { ...both(), 'text_model.onnx': textGraph(ids, port('text_embeds', 'F32', ['batch', 24])) };
    await expect(loadModel(await folderOf('widths', graphs, HUGGING_FACE))).rejects.toThrow(
      /do not match: 20 and 24 dimensions/,
    );
  });

  it('if a projection is missing', async () => {
    const graphs = {
      ...both(),
      'vision_model.onnx': imageGraph(floats, port('last_hidden_state', 'F32', ['batch', 17, 32])),
    };
    await expect(loadModel(await folderOf('projection', graphs, HUGGING_FACE))).rejects.toThrow(
      /no embedding \[batch, D\]; export the model with its projection/,
    );
  });

  it('if an encoder or a config is missing', async () => {
    const { 'vision_model.onnx': image } = both();
    await expect(loadModel(await folderOf('half', { 'vision_model.onnx': image }, HUGGING_FACE))).rejects.toThrow(
      /no fp32 ONNX file of a text encoder/,
    );
    await expect(loadModel(await folderOf('bare', both(), {}))).rejects.toThrow(
      /does not define the image preprocessing/,
    );
  });

  it.each([0, 1, 100, 5_000])('if a file is truncated to %i bytes', async (length) => {
    const { 'vision_model.onnx': image, ...rest } = both();
    const folder = await folderOf(
      `cut-${length}`,
      { ...rest, 'vision_model.onnx': image.subarray(0, length) },
      HUGGING_FACE,
    );
    await expect(loadModel(folder)).rejects.toMatchObject({
      code: 'E_MODEL',
      message: /vision_model.onnx (is incomplete|contains no graph)/,
    });
  });

  it('if operators belong to an unknown domain', async () => {
    const bytes = Buffer.from(both()['vision_model.onnx']);
    bytes.write('org.evil.corp', bytes.lastIndexOf('com.microsoft')); // the last one is the opset import
    const folder = await folderOf('domain', { ...both(), 'vision_model.onnx': bytes }, HUGGING_FACE);
    await expect(loadModel(folder)).rejects.toThrow(/uses operators of org.evil.corp/);
  });

  it('if the weights are a link out of the folder', async () => {
    const folder = await folderOf('linked', both(), HUGGING_FACE);
    await rm(join(folder, 'weights.bin'));
    await symlink(join(SOURCE, 'model.safetensors'), join(folder, 'weights.bin'));
    await expect(scores(folder, { logitScale: 40 })).rejects.toMatchObject({ code: 'E_MODEL' });
  });

  it('if the weights are outside the folder', async () => {
    const outside = Object.create(checkpoint, { location: { value: '../outside.bin' } });
    await cp(join(SOURCE, 'model.safetensors'), join(root, 'outside.bin'));
    const graphs = { ...both(), 'vision_model.onnx': buildGraph(outside, architecture, 'image') };
    await expect(scores(await folderOf('outside', graphs, HUGGING_FACE), { logitScale: 40 })).rejects.toMatchObject({
      code: 'E_MODEL',
    });
  });
});

describe('readPorts', () => {
  it('reads what the exporter wrote', async () => {
    await writeFile(join(root, 'text.onnx'), buildGraph(checkpoint, architecture, 'text'));
    expect(await readPorts(join(root, 'text.onnx'))).toEqual({
      inputs: [{ name: 'input_ids', elementType: 7, shape: ['batch', 'tokens'] }],
      outputs: [{ name: 'text_embeds', elementType: 1, shape: ['batch', 20] }],
    });
  });
});
