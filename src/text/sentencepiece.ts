import { readModelBytes } from '../checkpoint/model-file.ts';
import { ModelError } from '../errors.ts';

/** A piece of a unigram model: its text and log probability. */
type Piece = readonly [text: string, score: number];

/** The contents of a SentencePiece file (sentencepiece_model.proto). */
interface SentencePieceModel {
  readonly pieces: readonly Piece[];
  /** Unicode normalisation as a trie, base64; empty if there is none. */
  readonly charsmap: string;
}

const damaged = 'fetch or export the model again';

/** Reads SigLIP's spiece.model as tokenizer.json would have it; every text ends with `</s>`. @throws ModelError if it is damaged */
export async function siglipTokenizer(path: string): Promise<object> {
  const model = await readModel(path);
  return unigram(model, model.pieces, [], '</s>', ['</s>', '<unk>']);
}

/**
 * Reads sentencepiece.bpe.model as XLM-RoBERTa's tokenizer.json has it: four tokens of fairseq come in place of the model's own
 * three, and a mask at the end (transformers, tokenization_xlm_roberta.py).
 *
 * @throws ModelError if it is damaged
 */
export async function xlmRobertaTokenizer(path: string): Promise<object> {
  const model = await readModel(path);
  const specials = ['<s>', '<pad>', '</s>', '<unk>'];
  const first = specials.map((text): Piece => [text, 0]);
  const pieces: readonly Piece[] = [...first, ...model.pieces.slice(3), ['<mask>', 0]];
  return unigram(model, pieces, ['<s>'], '</s>', [...specials, '<mask>']);
}

function unigram(
  { charsmap }: SentencePieceModel,
  vocab: readonly Piece[],
  start: readonly string[],
  end: string,
  specials: readonly string[],
): object {
  const idOf = (token: string) => vocab.findIndex(([text]) => text === token);
  const token = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
  const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true };
  return {
    added_tokens: specials.map((content) => ({ id: idOf(content), content, special: true, normalized: false })),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        ...(charsmap === '' ? [] : [{ type: 'Precompiled', precompiled_charsmap: charsmap }]),
        { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' },
      ],
    },
    pre_tokenizer: metaspace,
    post_processor: {
      type: 'TemplateProcessing',
      single: [...start.map(token), { Sequence: { id: 'A', type_id: 0 } }, token(end)],
      pair: [],
      special_tokens: Object.fromEntries([...start, end].map((id) => [id, { id, ids: [idOf(id)], tokens: [id] }])),
    },
    decoder: metaspace,
    model: { type: 'Unigram', unk_id: idOf('<unk>'), vocab },
  };
}

/** ModelProto { pieces = 1 { piece = 1, score = 2 }, normalizer_spec = 3 { precompiled_charsmap = 2 } } */
async function readModel(path: string): Promise<SentencePieceModel> {
  const parts = [...fields(await readModelBytes(path, damaged), path)];
  const pieces = parts
    .filter(({ number }) => number === 1)
    .map(({ bytes }): Piece => {
      const own = [...fields(bytes, path)];
      const text = own.find(({ number }) => number === 1)?.bytes.toString('utf8');
      const score = own.find(({ number }) => number === 2)?.bytes;
      if (text === undefined) throw new ModelError(`${path} has a piece without a text`, damaged);
      return [text, score?.readFloatLE() ?? 0];
    });
  const normalizer = parts.find(({ number }) => number === 3);
  const map = normalizer && [...fields(normalizer.bytes, path)].find(({ number }) => number === 2);
  return { pieces, charsmap: map?.bytes.toString('base64') ?? '' };
}

/** The length-delimited and 32-bit fields of a message (protobuf.dev/programming-guides/encoding). */
function* fields(message: Buffer, path: string): Generator<{ readonly number: number; readonly bytes: Buffer }> {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let bits = 0; at < message.length && bits < 49; bits += 7) {
      const byte = message[at++] as number;
      value += (byte & 127) * 2 ** bits;
      if (byte < 128) return value;
    }
    throw new ModelError(`${path} is not a SentencePiece model`, damaged);
  };
  while (at < message.length) {
    const tag = varint();
    const [number, wire] = [Math.floor(tag / 8), tag % 8];
    if (wire === 0) {
      varint();
      continue;
    }
    const length = wire === 2 ? varint() : ({ 1: 8, 5: 4 }[wire] ?? Number.NaN);
    if (!(at + length <= message.length)) throw new ModelError(`${path} is not a SentencePiece model`, damaged);
    yield { number, bytes: message.subarray(at, at + length) };
    at += length;
  }
}
