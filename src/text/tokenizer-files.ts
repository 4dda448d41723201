import { join } from 'node:path';
import { readModelJson } from '../checkpoint/config.ts';
import { readModelText } from '../checkpoint/model-file.ts';
import { exists } from '../disk/exists.ts';
import { ModelError, messageOf } from '../errors.ts';
import { clipTokenizer, mergesIn, robertaTokenizer } from './byte-pairs.ts';
import { siglipTokenizer, xlmRobertaTokenizer } from './sentencepiece.ts';
import { bertTokenizer } from './wordpiece.ts';

/** All files that a tokenizer can be read from. */
export const TOKENIZER_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'vocab.json',
  'merges.txt',
  'vocab.txt',
  'spiece.model',
  'sentencepiece.bpe.model',
] as const;

/** A tokenizer in the format of tokenizer.json, and the file to name in errors. */
export interface TokenizerSource {
  readonly path: string;
  readonly json: unknown;
}

/**
 * Reads tokenizer.json of a model folder or, without one, builds the same from the older files: vocab.json and merges.txt of
 * CLIP or RoBERTa, vocab.txt of BERT, spiece.model of SigLIP, sentencepiece.bpe.model of XLM-RoBERTa.
 *
 * @throws ModelError if there is no such file
 */
export async function readTokenizer(folder: string): Promise<TokenizerSource> {
  const path = (file: (typeof TOKENIZER_FILES)[number]) => join(folder, file);
  if (await exists(path('tokenizer.json'))) {
    const text = await readModelText(path('tokenizer.json'), next);
    if (text.startsWith('version https://git-lfs')) {
      throw new ModelError(`${path('tokenizer.json')} is a Git LFS pointer`, `run "git lfs pull" in ${folder}`);
    }
    return { path: path('tokenizer.json'), json: parseJson(path('tokenizer.json'), text) };
  }
  if ((await exists(path('vocab.json'))) && (await exists(path('merges.txt')))) {
    const vocab = await readModelJson(folder, 'vocab.json');
    const merges = mergesIn(await readModelText(path('merges.txt'), next));
    if (vocab['<|startoftext|>'] !== undefined) return { path: path('vocab.json'), json: clipTokenizer(vocab, merges) };
    if (vocab['<s>'] !== undefined) return { path: path('vocab.json'), json: robertaTokenizer(vocab, merges) };
    throw new ModelError(`${path('vocab.json')} is neither CLIP's nor RoBERTa's`, next);
  }
  if (await exists(path('vocab.txt'))) {
    const config = (await exists(path('tokenizer_config.json')))
      ? await readModelJson(folder, 'tokenizer_config.json')
      : {};
    return { path: path('vocab.txt'), json: bertTokenizer(await readModelText(path('vocab.txt'), next), config) };
  }
  if (await exists(path('spiece.model'))) {
    return { path: path('spiece.model'), json: await siglipTokenizer(path('spiece.model')) };
  }
  const xlmRoberta = path('sentencepiece.bpe.model');
  if (await exists(xlmRoberta)) return { path: xlmRoberta, json: await xlmRobertaTokenizer(xlmRoberta) };
  throw new ModelError(`${folder} has no tokenizer.json`, next);
}

/** @throws ModelError if the file is damaged */
function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ModelError(`${path} is not JSON: ${messageOf(error)}`, next, error);
  }
}

const next = 'copy the tokenizer.json of the model into the folder';
