import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readModelJson } from '../checkpoint/config.ts';
import { preprocessorOfOpenClip } from '../checkpoint/open-clip.ts';
import { isRecord } from '../checkpoint/safetensors.ts';
import { ModelError } from '../errors.ts';
import type { Preprocessing } from '../image/preprocess.ts';
import { type GraphPorts, type Port, readPorts } from '../onnx/ports.ts';
import type { TextShape } from '../text/tokenizer.ts';
import { checkWidths, type ImageWiring, type TextWiring, type Wiring, wire } from './encoder.ts';
import { makesMask } from './folder.ts';
import { FOLDERS } from './links.ts';
import { parsePreprocessing } from './preprocessing.ts';
import { cleaningOfSiglip, paddingSideOfSiglip } from './text-shape.ts';

/** Precisions that a ready-made graph may come in; a file name that ends in none of them is fp32. */
export const DTYPES = ['fp32', 'fp16', 'int8'] as const;
export type Dtype = (typeof DTYPES)[number];

/** What repositories call them; others, such as 4 bits, are taken only if there is nothing else. */
const VARIANTS: Readonly<Record<Dtype, RegExp>> = {
  fp32: /^(?!.*_(fp16|int8|uint8|quantized|q4|q4f16|bnb4|q8)\.onnx$).*\.onnx$/u,
  fp16: /_fp16\.onnx$/u,
  int8: /_(int8|quantized|uint8)\.onnx$/u,
};

/** A tower of a ready-made model. */
interface Tower<W> {
  readonly path: string;
  readonly wiring: Wiring & W;
}

/** A model that came as ONNX graphs, whoever exported them. */
export interface ReadyMade {
  readonly image: Tower<{ readonly image: ImageWiring }>;
  /** The same file as the image tower, where the graph is a joint one. */
  readonly text: Tower<{ readonly text: TextWiring }>;
  /** `[images, texts]` of a joint graph: what the logit scale can be read from. */
  readonly logits: Port | undefined;
  readonly preprocessing: Preprocessing;
  readonly tokens: TextShape;
  /** Where tokenizer.json lies. */
  readonly tokenizerFolder: string;
}

/**
 * Reads a folder of ready-made graphs. The inputs and outputs of each graph tell what it encodes. If
 * there is more than one precision, the requested one is taken.
 *
 * @returns undefined if the folder holds no ONNX file at all
 * @throws ModelError if a tower or its projection is missing, widths disagree, or a config is missing
 */
export async function readReadyMade(folder: string, dtype: Dtype | undefined): Promise<ReadyMade | undefined> {
  const files = await onnxFiles(folder);
  if (files.length === 0) return undefined;
  const graphs = await Promise.all(filesOf(files, dtype).map((file) => openGraph(join(folder, file))));
  const split = graphs.filter(({ wiring }) => (wiring.image === undefined) !== (wiring.text === undefined));
  const candidates = [...split, ...graphs.filter((graph) => !split.includes(graph))];
  const image = candidates.find(({ wiring }) => wiring.image !== undefined);
  const text = candidates.find(({ wiring }) => wiring.text !== undefined);
  if (image?.wiring.image === undefined || text?.wiring.text === undefined) {
    throw new ModelError(
      `${folder} has no ${dtype ?? 'fp32'} ONNX file of ${image === undefined ? 'an image' : 'a text'} encoder`,
      `choose the precision of one of ${files.join(', ')} with \`dtype\``,
    );
  }
  checkWidths(image.wiring.image.output, text.wiring.text.output, folder);
  const config = await findJson(folder, 'config.json');
  return {
    image: { path: image.path, wiring: { ...image.wiring, image: image.wiring.image } },
    text: { path: text.path, wiring: { ...text.wiring, text: text.wiring.text } },
    logits: image === text ? image.ports.outputs.find(({ name }) => name === 'logits_per_image') : undefined,
    preprocessing: await readPreprocessing(folder, image.wiring.image),
    tokens: textShape(config ?? {}, (await findJson(folder, 'tokenizer_config.json')) ?? {}, text.wiring.text),
    tokenizerFolder: (await folderWith(folder, 'tokenizer.json')) ?? folder,
  };
}

/** The files of a precision; without one that is asked for, fp32 or the only one that there is. */
function filesOf(files: readonly string[], dtype: Dtype | undefined): readonly string[] {
  const asked = files.filter((file) => VARIANTS[dtype ?? 'fp32'].test(file));
  if (dtype !== undefined || asked.length > 0) return asked;
  const suffixes = new Set(files.map((file) => /_[^_]+\.onnx$/u.exec(file)?.[0]));
  return suffixes.size === 1 ? files : [];
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

/** preprocessor_config.json of Hugging Face, or preprocess_cfg.json of open_clip. */
async function readPreprocessing(folder: string, { size }: ImageWiring): Promise<Preprocessing> {
  const openClip = await findJson(folder, 'preprocess_cfg.json');
  const processor = await findJson(folder, 'processor_config.json');
  const hugging = (await findJson(folder, 'preprocessor_config.json')) ?? processor?.['image_processor'];
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

function sideOf({ crop_size: crop, size }: Readonly<Record<string, unknown>>): number | undefined {
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

/** SigLIP's prompts are padded to its context; those of others stop at their end of text. */
function textShape(
  config: Readonly<Record<string, unknown>>,
  tokenizer: Readonly<Record<string, unknown>>,
  { length }: TextWiring,
): TextShape {
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
