import { readFile } from 'node:fs/promises';
import { ModelError } from '../errors.ts';

/** A piece of a unigram model: its text and log probability. */
type Piece = readonly [text: string, score: number];

const damaged = 'fetch or export the model again';

/**
 * Converts spiece.model, a unigram model of SentencePiece, to the tokenizer.json that transformers would make. Field numbers are
 * those of sentencepiece_model.proto: ModelProto { pieces = 1 { piece = 1, score = 2 } }.
 *
 * @param end the id of the end-of-text token, which is appended to every text
 * @throws ModelError if the file is damaged
 */
export async function readSentencePiece(path: string, end: string): Promise<object> {
  const pieces = [...fields(await readFile(path), path)].filter(({ number }) => number === 1);
  const vocab = pieces.map(({ bytes }): Piece => {
    const own = [...fields(bytes, path)];
    const text = own.find(({ number }) => number === 1)?.bytes.toString('utf8');
    const score = own.find(({ number }) => number === 2)?.bytes;
    if (text === undefined) throw new ModelError(`${path} has a piece without a text`, damaged);
    return [text, score?.readFloatLE() ?? 0];
  });
  const idOf = (token: string) => vocab.findIndex(([text]) => text === token);
  const special = (content: string) => ({ id: idOf(content), content, special: true, normalized: false });
  return {
    added_tokens: [special(end), special('<unk>')],
    normalizer: {
      type: 'Sequence',
      normalizers: [{ type: 'NFKC' }, { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' }],
    },
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: end, type_id: 0 } }],
      pair: [],
      special_tokens: { [end]: { id: end, ids: [idOf(end)], tokens: [end] } },
    },
    decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    model: { type: 'Unigram', unk_id: idOf('<unk>'), vocab },
  };
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
