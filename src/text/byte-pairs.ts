/** Pairs of byte-pair encoding, one in each line of merges.txt. */
export function mergesIn(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#version'))
    .map((line) => line.trim().split(' '));
}

/** RoBERTa's byte-pair encoding, as transformers puts it (RobertaTokenizer). */
export function robertaTokenizer(vocab: Record<string, unknown>, merges: string[][]): object {
  const specials = ['<s>', '<pad>', '</s>', '<unk>', '<mask>'].filter((content) => vocab[content] !== undefined);
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    added_tokens: specials.map((content) => ({
      id: vocab[content],
      content,
      special: true,
      normalized: content !== '<mask>',
    })),
    normalizer: null,
    pre_tokenizer: bytes,
    post_processor: {
      type: 'RobertaProcessing',
      sep: ['</s>', vocab['</s>']],
      cls: ['<s>', vocab['<s>']],
      trim_offsets: true,
      add_prefix_space: false,
    },
    decoder: bytes,
    model: { type: 'BPE', continuing_subword_prefix: '', end_of_word_suffix: '', vocab, merges },
  };
}

/** CLIP's byte-pair encoding, as transformers puts it (CLIPTokenizer). */
export function clipTokenizer(vocab: Record<string, unknown>, merges: string[][]): object {
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
      merges,
    },
  };
}
