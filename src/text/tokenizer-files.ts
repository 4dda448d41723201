import { join } from 'node:path';
import { readModelJson } from '../checkpoint/config.ts';
import { readModelText } from '../checkpoint/model-file.ts';
import { isRecord } from '../checkpoint/safetensors.ts';
import { exists } from '../disk/exists.ts';
import { ModelError, messageOf } from '../errors.ts';
import { readSentencePiece } from './sentencepiece.ts';

/** All files that a tokenizer can be read from. */
export const TOKENIZER_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'vocab.json',
  'merges.txt',
  'vocab.txt',
  'spiece.model',
] as const;

/** A tokenizer in the format of tokenizer.json, and the file to name in errors. */
export interface TokenizerSource {
  readonly path: string;
  readonly json: unknown;
}

/**
 * Reads tokenizer.json of a model folder. If there is none, builds it from the older files: vocab.json and merges.txt of CLIP,
 * vocab.txt of BERT, or spiece.model of SigLIP.
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
    return { path: path('vocab.json'), json: clipTokenizer(vocab, await readModelText(path('merges.txt'), next)) };
  }
  if (await exists(path('vocab.txt'))) {
    const config = (await exists(path('tokenizer_config.json')))
      ? await readModelJson(folder, 'tokenizer_config.json')
      : {};
    return { path: path('vocab.txt'), json: bertTokenizer(await readModelText(path('vocab.txt'), next), config) };
  }
  if (await exists(path('spiece.model'))) {
    return { path: path('spiece.model'), json: await readSentencePiece(path('spiece.model'), '</s>') };
  }
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

/** CLIP's byte-pair encoding, as in CLIPTokenizer of transformers. */
function clipTokenizer(vocab: Record<string, unknown>, merges: string): object {
  const special = (content: string) => ({ id: vocab[content], content, special: true, normalized: false });
  const [start, end] = ['<|startoftext|>', '<|endoftext|>'];
  return {
    added_tokens: [special(start), special(end)],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          pattern: {
            Regex:
              "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+",
          },
          behavior: 'Removed',
          invert: true,
        },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: {
      type: 'RobertaProcessing',
      sep: [end, vocab[end]],
      cls: [start, vocab[start]],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      unk_token: end,
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      vocab,
      merges: merges
        .split('\n')
        .filter((line) => line.trim() !== '' && !line.startsWith('#version'))
        .map((line) => line.trim().split(' ')),
    },
  };
}

/** BERT's WordPiece with one token per line of vocab.txt, as in BertTokenizer of transformers. */
function bertTokenizer(lines: string, config: Record<string, unknown>): object {
  const tokens = lines.split(/\r?\n/u);
  if (tokens.at(-1) === '') tokens.pop();
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  const name = (field: string, usual: string) => {
    const token = config[field];
    const content = isRecord(token) ? token['content'] : token;
    return typeof content === 'string' ? content : usual;
  };
  const [start, end, unknown] = [name('cls_token', '[CLS]'), name('sep_token', '[SEP]'), name('unk_token', '[UNK]')];
  const specials = [name('pad_token', '[PAD]'), unknown, start, end, name('mask_token', '[MASK]')];
  const template = (token: string) => ({ id: token, ids: [vocab[token]], tokens: [token] });
  return {
    added_tokens: specials
      .filter((content) => vocab[content] !== undefined)
      .map((content) => ({ id: vocab[content], content, special: true, normalized: false })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: config['tokenize_chinese_chars'] !== false,
      strip_accents: config['strip_accents'] ?? null,
      lowercase: config['do_lower_case'] !== false,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: start, type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: end, type_id: 0 } },
      ],
      pair: [],
      special_tokens: { [start]: template(start), [end]: template(end) },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: unknown,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab,
    },
  };
}
