import { isRecord } from '../checkpoint/safetensors.ts';

/** BERT's WordPiece, one token in each line of vocab.txt, as transformers puts it (BertTokenizer). */
export function bertTokenizer(lines: string, config: Record<string, unknown>): object {
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
