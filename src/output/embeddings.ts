import type { Embedded } from '../embed/encoder.ts';
import { toHalves } from '../embed/half.ts';
import { row } from '../tensor.ts';
import { errorField } from './flags.ts';
import { pathField, sampleFields, toJson } from './json.ts';

/** What the embeddings of a run have in common. */
export interface EmbeddingRun {
  /** What was embedded. */
  readonly kind: 'image' | 'text';
  readonly model: string;
  /** Of the model. */
  readonly digest: string;
  readonly dtype: string;
}

/** A row of `embed` as one line of JSON. Nine digits represent a float32 exactly. */
export function embeddingLine({ kind, model, digest }: EmbeddingRun, one: Embedded): string {
  const head = { ...nameOf(kind, one), model };
  if (!one.ok) return `${toJson({ ...head, ...errorField(one.error) })}\n`;
  const embedding = Array.from(row(one.embedding, 0), (value) => Number(value.toPrecision(9)));
  return `${toJson({ ...head, digest, embedding })}\n`;
}

/** The first line of the file next to a .npy file. */
export function namesHead({ kind, model, digest, dtype }: EmbeddingRun): string {
  return `${toJson({ kind, model, digest, dtype })}\n`;
}

/** The other lines of that file, in input order: the row of each image, or its error. */
export function nameLine({ kind }: EmbeddingRun, one: Embedded, number: number): string {
  const head = nameOf(kind, one);
  return `${toJson(one.ok ? { row: number, ...head } : { ...head, ...errorField(one.error) })}\n`;
}

function nameOf(kind: EmbeddingRun['kind'], one: Embedded): object {
  return { [kind]: one.image, ...pathField(one), ...sampleFields(one) };
}

/** How numbers of embeddings are stored. */
export const NUMBER_TYPES = ['float32', 'float16'] as const;
export type NumberType = (typeof NUMBER_TYPES)[number];

/** The bytes of a row of a .npy file. */
export function npyRow({ embedding }: Extract<Embedded, { ok: true }>, type: NumberType = 'float32'): Uint8Array {
  const numbers = row(embedding, 0);
  const { buffer, byteOffset, byteLength } = type === 'float32' ? numbers : toHalves(numbers);
  return new Uint8Array(buffer, byteOffset, byteLength);
}
