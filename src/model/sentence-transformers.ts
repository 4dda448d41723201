import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { readModelJson } from '../checkpoint/config.ts';
import { withHuggingFaceNames } from '../checkpoint/layout.ts';
import { readModelText } from '../checkpoint/model-file.ts';
import { Checkpoint, isRecord, readCheckpoint, type TensorEntry } from '../checkpoint/safetensors.ts';
import { ModelError } from '../errors.ts';

type Fields = Readonly<Record<string, unknown>>;

/** The folder in which sentence-transformers stores a CLIP. A text encoder for other languages has the CLIP for its images there. */
const IMAGES = '0_CLIPModel';
const DENSE_WEIGHTS = 'model.safetensors';

/** A text encoder of sentence-transformers: a BERT, a pooling, and as a rule a dense layer into the space of a CLIP's images. */
export interface Modules {
  readonly pooling: string;
  readonly dense: string | undefined;
}

/** The folder of the images' CLIP in a folder of sentence-transformers. @throws ModelError if there is none */
export async function imageFolder(folder: string): Promise<string> {
  if ((await readdir(folder)).includes(IMAGES)) return join(folder, IMAGES);
  throw new ModelError(
    `${folder} holds a text encoder of sentence-transformers only`,
    `copy the CLIP of its images into the folder as ${IMAGES}; for clip-ViT-B-32-multilingual-v1 this is OpenAI's ViT-B/32`,
  );
}

/**
 * Puts the text encoder of a folder of sentence-transformers (DistilBERT or BERT, such as clip-ViT-B-32-multilingual-v1) in place
 * of the text encoder of a CLIP. Nothing is copied: the tensors of both lie in or below that folder.
 *
 * @param clip the checkpoint in {@link imageFolder}, and its config.json
 * @throws ModelError naming a module or setting that is not supported
 */
export async function withSentenceEncoder(
  folder: string,
  { pooling, dense }: Modules,
  clip: { readonly checkpoint: Checkpoint; readonly config: Fields },
): Promise<{ readonly checkpoint: Checkpoint; readonly config: Fields }> {
  const text = await readCheckpoint(join(folder, 'model.safetensors'));
  const prefixed = [...text.tensors.values()].map((entry) => ({ ...entry, name: `text_model.${entry.name}` }));
  const parts = [clip.checkpoint, ...(dense === undefined ? [] : [await readDense(join(folder, dense))])];
  const isOfImages = ({ name }: TensorEntry) =>
    /^(vision_model|visual|visual_projection|text_projection|logit_scale)(\.|$)/u.test(name);
  const others = parts.flatMap((part, n) =>
    [...part.tensors.values()]
      .filter((entry) => (n === 0 ? isOfImages(entry) && !entry.name.startsWith('text_') : true))
      .map((entry) => ({ ...entry, shard: below(text.folder, part.fileOf(entry)) })),
  );
  const entries = [...withHuggingFaceNames(text.withTensors(prefixed)).tensors.values(), ...others];
  return {
    checkpoint: new Checkpoint(
      text.file,
      new Map(entries.map((entry) => [entry.name, entry])),
      Buffer.concat([text.header, ...parts.map(({ header }) => header)]),
      [text.file, ...parts.flatMap(({ files }) => files)],
    ),
    config: { ...clip.config, text_config: await textTerms(folder, pooling) },
  };
}

const TEXT_MODELS: readonly unknown[] = ['distilbert', 'bert', 'roberta', 'xlm-roberta', 'camembert'];

/**
 * Reads modules.json: Transformer, Pooling, then Dense. A Normalize changes nothing, because embeddings are normalized anyway.
 *
 * @param config config.json of the folder
 * @returns undefined if the folder is not a text encoder, but a CLIP
 * @throws ModelError if there are other modules
 */
export async function readModules(folder: string, config: Fields | undefined): Promise<Modules | undefined> {
  if (!TEXT_MODELS.includes(config?.['model_type'])) return undefined;
  const path = join(folder, 'modules.json');
  const list: unknown = JSON.parse(await readModelText(path, 'copy the file of the model into the folder'));
  const modules = (Array.isArray(list) ? list : []).filter(isRecord).map(({ type, path: where }) => ({
    type: String(type).split('.').at(-1) ?? '',
    where: String(where ?? ''),
  }));
  const [first, second, third] = modules.filter(({ type }) => type !== 'Normalize');
  const isKnown = first?.type === 'Transformer' && first.where === '' && second?.type === 'Pooling';
  if (isKnown && (third === undefined || third.type === 'Dense') && modules.length <= 4)
    return { pooling: second.where, dense: third?.where };
  throw new ModelError(
    `${path} lists ${modules.map(({ type }) => type).join(', ')}`,
    'supported are Transformer, Pooling and Dense, in this order',
  );
}

/** The dense layer, as the projection of texts. */
async function readDense(folder: string): Promise<Checkpoint> {
  const { activation_function: activation } = await readModelJson(folder, 'config.json');
  if (!String(activation).endsWith('Identity')) {
    throw new ModelError(
      `activation_function in config.json (${folder}) is ${JSON.stringify(activation)}`,
      'supported is torch.nn.modules.linear.Identity',
    );
  }
  const dense = await readCheckpoint(join(folder, DENSE_WEIGHTS));
  return dense.withTensors(
    [...dense.tensors.values()].map((entry) => ({
      ...entry,
      name: entry.name.replace(/^linear\./u, 'text_projection.'),
    })),
  );
}

/** config.json of the transformer and its pooling, as a CLIP's text_config would have them. */
async function textTerms(folder: string, pooling: string): Promise<Fields> {
  const config = await readModelJson(folder, 'config.json');
  const { max_seq_length: length } = await readModelJson(folder, 'sentence_bert_config.json');
  const pooled = await readModelJson(join(folder, pooling), 'config.json');
  const mode = pooled['pooling_mode'] ?? (pooled['pooling_mode_mean_tokens'] === true ? 'mean' : undefined);
  const isClass = mode === 'cls' || pooled['pooling_mode_cls_token'] === true;
  if (mode !== 'mean' && !isClass) {
    throw new ModelError(
      `the pooling in ${join(folder, pooling)} is not supported`,
      'supported are mean_tokens and cls_token',
    );
  }
  const distil = config['model_type'] === 'distilbert';
  return {
    ...config,
    ...(distil && {
      num_attention_heads: config['n_heads'],
      num_hidden_layers: config['n_layers'],
      hidden_size: config['dim'],
      intermediate_size: config['hidden_dim'],
      hidden_act: config['activation'],
    }),
    ...(typeof length === 'number' && { context_length: length }),
    pooling: mode === 'mean' ? 'mean' : 'class',
  };
}

/** A path below a folder, as graphs name it. @throws ModelError if the file lies elsewhere */
function below(folder: string, file: string): string {
  const path = relative(folder, file);
  if (!path.startsWith('..')) return path.split(sep).join('/');
  throw new ModelError(`${file} does not lie in ${folder}`, 'copy the files into the folder instead of links to them');
}
