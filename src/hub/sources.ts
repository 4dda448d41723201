import { ModelError } from '../errors.ts';

/** What a repository's files are, which says what reads them. */
export type Layout = 'safetensors' | 'open_clip' | 'onnx';

/** The files to fetch of a repository. */
export interface Choice {
  readonly layout: Layout;
  readonly paths: readonly string[];
}

/** A repository holds nothing that can be loaded; another one may. */
export class NothingToLoad extends ModelError {}

const CONFIGS = ['config.json', 'preprocessor_config.json', 'tokenizer.json'];
/** Taken along where they are there. */
const EXTRAS = ['tokenizer_config.json', 'special_tokens_map.json'];

/** The best first; every file of a set must be there. */
const SETS: readonly { readonly layout: Layout; readonly files: readonly string[] }[] = [
  { layout: 'safetensors', files: ['model.safetensors', ...CONFIGS] },
  { layout: 'open_clip', files: ['open_clip_model.safetensors', 'open_clip_config.json', 'tokenizer.json'] },
  { layout: 'onnx', files: ['onnx/vision_model.onnx', 'onnx/text_model.onnx', ...CONFIGS] },
  { layout: 'onnx', files: ['onnx/model.onnx', ...CONFIGS] },
  { layout: 'onnx', files: ['onnx/vision_model_quantized.onnx', 'onnx/text_model_quantized.onnx', ...CONFIGS] },
  { layout: 'onnx', files: ['visual/model.onnx', 'textual/model.onnx'] },
  { layout: 'onnx', files: ['model.onnx', ...CONFIGS] },
];
/** In the folders `visual` and `textual` of immich's exports. */
const BESIDE = [
  'config.json',
  'visual/preprocess_cfg.json',
  'textual/tokenizer.json',
  'textual/tokenizer_config.json',
  'textual/special_tokens_map.json',
];

/**
 * Chooses what to fetch: weights that the exporter reads (safetensors), else graphs that are ready made.
 *
 * @param paths what the repository holds
 * @throws NothingToLoad saying what is there instead; a pickle (pytorch_model.bin) can run code, and is never fetched
 */
export function chooseSource(paths: ReadonlySet<string>, repo: string): Choice {
  const set = SETS.find(({ files }) => files.every((file) => paths.has(file)));
  if (set !== undefined) {
    const weights = set.files.flatMap((file) => [`${file}_data`, `${file}.data`]); // weights beside an ONNX graph
    const extras = [...EXTRAS, ...weights, ...(set.files[0] === 'visual/model.onnx' ? BESIDE : [])];
    return { layout: set.layout, paths: [...set.files, ...extras.filter((path) => paths.has(path))] };
  }
  const pickle = [...paths].find((path) => /\.(bin|pt|pth|ckpt|pkl)$/u.test(path));
  if (pickle !== undefined && !['model.safetensors', 'open_clip_model.safetensors'].some((file) => paths.has(file))) {
    throw new NothingToLoad(
      `${repo} has its weights only as a pickle (${pickle}). A pickle can run code, so clip-classify never loads one`,
      `use a repository with safetensors or ONNX files, or a revision that has them (${repo}@refs/pr/<n>)`,
    );
  }
  const missing = [...CONFIGS].filter((file) => !paths.has(file));
  throw new NothingToLoad(
    `${repo} contains no supported CLIP model${missing.length > 0 ? `: ${missing.join(', ')} is missing` : ''}`,
    'use a repository with model.safetensors, open_clip_model.safetensors or ONNX files, their configs and tokenizer.json',
  );
}
