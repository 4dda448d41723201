import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readModelJson } from '../checkpoint/config.ts';
import { preprocessorOfOpenClip } from '../checkpoint/open-clip.ts';
import { isRecord } from '../checkpoint/safetensors.ts';
import { ModelError } from '../errors.ts';
import type { Preprocessing } from '../image/preprocess.ts';
import { type GraphPorts, type Port, readPorts } from '../onnx/ports.ts';
import type { TextShape } from '../text/tokenizer.ts';
import { DTYPES, type Dtype } from './choices.ts';
import { makesMask } from './folder.ts';
import { FOLDERS } from './links.ts';
import { parsePreprocessing } from './preprocessing.ts';
import { cleaningOfSiglip, paddingSideOfSiglip } from './text-shape.ts';
import { checkWidths, type ImageWiring, type TextWiring, type Wiring, wire } from './wiring.ts';

/** The end of a file's name that tells its precision. */
const SUFFIX = /_(fp16|int8|uint8|quantized|q4|q4f16|bnb4|q8)\.onnx$/u;
/** Other names of int8. */
const INT8: ReadonlySet<string | undefined> = new Set(['quantized', 'uint8']);

/** An encoder of an ONNX model. */
interface EncoderFile<W> {
  readonly path: string;
  readonly wiring: Wiring & W;
}

/** A model that consists of ONNX files, exported by any tool. */
export interface ReadyMade {
  /** The precision of its files: one of {@link DTYPES}, or another one, such as q4. */
  readonly dtype: string;
  readonly image: EncoderFile<{ readonly image: ImageWiring }>;
  /** The same file as `image` if one graph contains both encoders (a joint graph). */
  readonly text: EncoderFile<{ readonly text: TextWiring }>;
  /** The output `[images, texts]` of a joint graph, from which the logit scale is measured. */
  readonly logits: Port | undefined;
  readonly preprocessing: Preprocessing;
  readonly tokens: TextShape;
  /** The folder of tokenizer.json. */
  readonly tokenizerFolder: string;
}

/**
 * Reads a folder of ONNX files. The inputs and outputs of each graph tell what it encodes. If there is more than one precision,
 * the requested one is used, else the first of fp32, fp16, int8 and others that has both encoders.
 *
 * @returns undefined if the folder has no ONNX file
 * @throws ModelError if an encoder or its projection is missing, the widths differ, or a config is missing
 */
export async function readReadyMade(folder: string, dtype: Dtype | undefined): Promise<ReadyMade | undefined> {
  const files = await onnxFiles(folder);
  if (files.length === 0) return undefined;
  const found = await findEncoders(folder, files, dtype === undefined ? precisionsOf(files) : [dtype]);
  const { image, text } = found;
  if (image?.wiring.image === undefined || text?.wiring.text === undefined) {
    throw new ModelError(
      `${folder} has no ${found.dtype} ONNX file of ${image === undefined ? 'an image' : 'a text'} encoder`,
      dtype === undefined
        ? `use a folder with both encoders in one precision, not only ${files.join(', ')}`
        : `choose the precision of one of ${files.join(', ')} with \`dtype\``,
    );
  }
  checkWidths(image.wiring.image.output, text.wiring.text.output, folder);
  const configs = await findConfigs(folder);
  return {
    dtype: found.dtype,
    image: { path: image.path, wiring: { ...image.wiring, image: image.wiring.image } },
    text: { path: text.path, wiring: { ...text.wiring, text: text.wiring.text } },
    logits: image === text ? image.ports.outputs.find(({ name }) => name === 'logits_per_image') : undefined,
    preprocessing: preprocessingOf(configs, folder, image.wiring.image),
    tokens: textShape(configs, text.wiring.text),
    tokenizerFolder: configs.tokenizerFolder,
  };
}

type OpenGraph = Awaited<ReturnType<typeof openGraph>>;

interface Encoders {
  readonly dtype: string;
  readonly image: OpenGraph | undefined;
  readonly text: OpenGraph | undefined;
}

/** The encoders of the first precision that has both; else what the first precision has. */
async function findEncoders(folder: string, files: readonly string[], dtypes: readonly string[]): Promise<Encoders> {
  let first: Encoders | undefined;
  for (const dtype of dtypes) {
    const own = files.filter((file) => precisionOf(file) === dtype);
    const graphs = await Promise.all(own.map((file) => openGraph(join(folder, file))));
    const split = graphs.filter(({ wiring }) => (wiring.image === undefined) !== (wiring.text === undefined));
    const candidates = [...split, ...graphs.filter((graph) => !split.includes(graph))];
    const image = candidates.find(({ wiring }) => wiring.image !== undefined);
    const text = candidates.find(({ wiring }) => wiring.text !== undefined);
    if (image !== undefined && text !== undefined) return { dtype, image, text };
    first ??= { dtype, image, text };
  }
  return first ?? { dtype: 'fp32', image: undefined, text: undefined };
}

function precisionOf(file: string): string {
  const suffix = SUFFIX.exec(file)?.[1];
  return INT8.has(suffix) ? 'int8' : (suffix ?? 'fp32');
}

/** The precisions of files, the best first. */
function precisionsOf(files: readonly string[]): string[] {
  const all = new Set(files.map(precisionOf));
  const usual = DTYPES.filter((dtype) => all.has(dtype));
  return [...new Set([...usual, ...[...all].sort()])];
}

async function openGraph(path: string): Promise<{ path: string; ports: GraphPorts; wiring: Wiring }> {
  const ports = await readPorts(path);
  return { path, ports, wiring: wire(ports, path) };
}

async function onnxFiles(folder: string): Promise<string[]> {
  const lists = FOLDERS.map(async (part) =>
    (await readdir(join(folder, part)).catch(() => [])).sort().map((name) => join(part, name)),
  );
  return (await Promise.all(lists)).flat().filter((file) => file.endsWith('.onnx'));
}

type Json = Readonly<Record<string, unknown>>;

/** The configs of a folder; each may be missing. */
interface Configs {
  /** config.json */
  readonly model: Json | undefined;
  /** preprocess_cfg.json of open_clip */
  readonly openClip: Json | undefined;
  /** The `image_processor` of processor_config.json, or preprocessor_config.json */
  readonly imageProcessor: unknown;
  /** tokenizer_config.json */
  readonly tokenizer: Json;
  readonly tokenizerFolder: string;
}

/** Reads all configs, so that nothing later needs the folder. */
async function findConfigs(folder: string): Promise<Configs> {
  const model = await findJson(folder, 'config.json');
  const openClip = await findJson(folder, 'preprocess_cfg.json');
  const processor = await findJson(folder, 'processor_config.json');
  const imageProcessor = processor?.['image_processor'] ?? (await findJson(folder, 'preprocessor_config.json'));
  const tokenizer = (await findJson(folder, 'tokenizer_config.json')) ?? {};
  const tokenizerFolder = (await folderWith(folder, 'tokenizer.json')) ?? folder;
  return { model, openClip, imageProcessor, tokenizer, tokenizerFolder };
}

function preprocessingOf(
  { openClip, imageProcessor: hugging }: Configs,
  folder: string,
  { size }: ImageWiring,
): Preprocessing {
  const config = isRecord(hugging) ? hugging : openClip && preprocessorOfOpenClip(openClip, size, folder);
  if (config === undefined) {
    throw new ModelError(
      `${folder} does not define the image preprocessing`,
      'copy the preprocessor_config.json of the model into the folder',
    );
  }
  const side = size ?? sideOf(config);
  if (side === undefined) {
    throw new ModelError(
      `${folder} does not define the image size`,
      'copy the preprocessor_config.json of the model into the folder',
    );
  }
  return parsePreprocessing(config, side, folder, isRecord(hugging) ? 'down' : 'even');
}

function sideOf({ crop_size: crop, size }: Json): number | undefined {
  for (const value of [crop, size]) {
    if (typeof value === 'number') return value;
    if (typeof value === 'object' && value !== null) {
      const side = Object.values(value)[0];
      if (typeof side === 'number') return side;
    }
  }
  return undefined;
}

/** Model types whose text encoder is a BERT. */
const BERTS: readonly unknown[] = ['chinese_clip', 'vision-text-dual-encoder'];

/** SigLIP's prompts are padded to the context. CLIP's prompts end with the end-of-text token. */
function textShape({ model: config = {}, tokenizer }: Configs, { length }: TextWiring): TextShape {
  const text = typeof config['text_config'] === 'object' ? { ...config['text_config'] } : {};
  const number = (key: string) => {
    const value = (text as Record<string, unknown>)[key];
    return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined;
  };
  const siglip = String(config['model_type']).startsWith('siglip');
  const vocabulary = number('vocab_size') ?? Number.POSITIVE_INFINITY;
  return {
    context: length ?? number('max_position_embeddings') ?? (siglip ? 64 : 77),
    vocabulary,
    ...(siglip
      ? {
          pooling: { at: 'last token' },
          cleaning: cleaningOfSiglip(tokenizer, vocabulary),
          padding: {
            to: 'context',
            id: 'pad_token',
            side: paddingSideOfSiglip(tokenizer),
            seen: !makesMask(tokenizer),
          },
        }
      : BERTS.includes(config['model_type'])
        ? { pooling: { at: 'class token' }, cleaning: 'none', padding: 'none' }
        : { pooling: { at: 'greatest id' }, cleaning: 'openai', padding: 'none' }),
  };
}

async function findJson(folder: string, name: string): Promise<Record<string, unknown> | undefined> {
  const found = await folderWith(folder, name);
  return found === undefined ? undefined : readModelJson(found, name);
}

async function folderWith(folder: string, name: string): Promise<string | undefined> {
  for (const part of FOLDERS) {
    const names: string[] = await readdir(join(folder, part)).catch(() => []);
    if (names.includes(name)) return join(folder, part);
  }
  return undefined;
}
