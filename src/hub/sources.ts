import { ModelError } from '../errors.ts';

/** The kind of a repository's files, which decides what reads them. */
export type Layout = 'safetensors' | 'open_clip' | 'onnx';

/** The files to download from a repository. */
export interface Choice {
  readonly layout: Layout;
  readonly paths: readonly string[];
}

/** The repository has no files that can be loaded. Another source may have some. */
export class NothingToLoad extends ModelError {}

/** Each part of a model may have several forms, the best first; a form needs all of its files. */
type Part = readonly (readonly string[])[];

const TOKENIZER: Part = [
  ['tokenizer.json'],
  ['vocab.json', 'merges.txt'],
  ['vocab.txt'],
  ['spiece.model'],
  ['sentencepiece.bpe.model'],
];
const CONFIG: Part = [['config.json']];
const IMAGES: Part = [['preprocessor_config.json'], ['processor_config.json']];
const HUGGING_FACE = [CONFIG, IMAGES, TOKENIZER];
/** Files that are also downloaded if they exist. */
const EXTRAS = ['tokenizer_config.json', 'special_tokens_map.json', 'processor_config.json'];
const SHARD = /^model-\d{5}-of-\d{5}\.safetensors$/u;

/** Best first. Each part of a set must exist. */
const SETS: readonly { readonly layout: Layout; readonly parts: readonly Part[] }[] = [
  { layout: 'safetensors', parts: [[['model.safetensors'], ['model.safetensors.index.json']], ...HUGGING_FACE] },
  {
    layout: 'open_clip',
    parts: [
      [['open_clip_model.safetensors'], ['open_clip_pytorch_model.safetensors']],
      [['open_clip_config.json']],
      TOKENIZER,
    ],
  },
  { layout: 'onnx', parts: [[['onnx/vision_model.onnx', 'onnx/text_model.onnx']], ...HUGGING_FACE] },
  { layout: 'onnx', parts: [[['onnx/model.onnx']], ...HUGGING_FACE] },
  {
    layout: 'onnx',
    parts: [[['onnx/vision_model_quantized.onnx', 'onnx/text_model_quantized.onnx']], ...HUGGING_FACE],
  },
  { layout: 'onnx', parts: [[['visual/model.onnx', 'textual/model.onnx']]] },
  { layout: 'onnx', parts: [[['model.onnx']], ...HUGGING_FACE] },
];
/** The folders `visual` and `textual` of immich's exports. */
const IMMICH_EXTRAS = [
  'config.json',
  'visual/preprocess_cfg.json',
  'textual/tokenizer.json',
  'textual/tokenizer_config.json',
  'textual/special_tokens_map.json',
];

/**
 * Chooses the files to download: safetensors weights, or ONNX files if there are none.
 *
 * @param paths the files of the repository
 * @throws NothingToLoad naming the files that it has instead; a pickle (pytorch_model.bin) can run code and is never downloaded
 */
export function chooseSource(paths: ReadonlySet<string>, repo: string): Choice {
  for (const { layout, parts } of SETS) {
    const files = parts.map((part) => part.find((form) => form.every((file) => paths.has(file))));
    if (!files.every((form) => form !== undefined)) continue;
    const chosen = files.flat();
    const weights = chosen.flatMap((file) => [`${file}_data`, `${file}.data`]); // weights next to an ONNX graph
    const shards = chosen.includes('model.safetensors.index.json') ? [...paths].filter((path) => SHARD.test(path)) : [];
    const extras = [...EXTRAS, ...weights, ...(chosen[0] === 'visual/model.onnx' ? IMMICH_EXTRAS : [])];
    return { layout, paths: [...new Set([...chosen, ...shards, ...extras.filter((path) => paths.has(path))])] };
  }
  const pickle = [...paths].find((path) => /\.(bin|pt|pth|ckpt|pkl)$/u.test(path));
  if (pickle !== undefined && ![...paths].some((path) => path.endsWith('.safetensors'))) {
    throw new NothingToLoad(
      `${repo} has its weights only as a pickle (${pickle}). A pickle can run code, so clip-classify never loads one`,
      `use a repository with safetensors or ONNX files, or a revision that has them (${repo}@refs/pr/<n>)`,
    );
  }
  const missing = [...CONFIG, ...IMAGES.slice(0, 1), ...TOKENIZER.slice(0, 1)]
    .flat()
    .filter((file) => !paths.has(file));
  throw new NothingToLoad(
    `${repo} contains no supported CLIP model${missing.length > 0 ? `: ${missing.join(', ')} is missing` : ''}`,
    'use a repository with model.safetensors, open_clip_model.safetensors or ONNX files, their configs and tokenizer.json',
  );
}
