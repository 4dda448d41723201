import type { JsonSchema } from './route.ts';

const text = { type: 'string' } as const;
const number = { type: 'number' } as const;
const score = { type: 'number', minimum: 0, maximum: 1 } as const;
const integer = { type: 'integer' } as const;

/** An object that has all of these fields. @param optional fields that may be missing */
export function record(
  properties: Readonly<Record<string, JsonSchema>>,
  optional: Readonly<Record<string, JsonSchema>> = {},
): JsonSchema {
  return { type: 'object', required: Object.keys(properties), properties: { ...properties, ...optional } };
}

export function list(items: JsonSchema): JsonSchema {
  return { type: 'array', items };
}

export function named(name: keyof typeof SCHEMAS): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

const PROBLEM = record({ code: text, message: text });
const RANKED = record({ label: text, score, logit: number, cosine: number }, { reason: text });

/** What answers hold. */
export const SCHEMAS = {
  Error: record({ error: PROBLEM }),
  Row: {
    description: 'the result of one image, as `clip-classify -f jsonl` writes it',
    anyOf: [
      record(
        { image: text, model: text, label: { type: ['string', 'null'] }, score, labels: list(RANKED) },
        { reason: text, background: score, page: integer },
      ),
      record({ image: text, model: text, error: PROBLEM }, { page: integer }),
    ],
  },
  Rows: record({ model: text, results: list({ $ref: '#/components/schemas/Row' }) }, { warnings: list(text) }),
  Kept: record({
    model: text,
    results: list({ anyOf: [record({ image: text, id: text }), record({ image: text, error: PROBLEM })] }),
  }),
  Scores: list(record({ label: text, score })),
  Embeddings: record({
    object: { const: 'list' },
    data: list(
      record({
        object: { const: 'embedding' },
        index: integer,
        embedding: { anyOf: [list(number), { ...text, description: 'base64 of little-endian float32' }] },
      }),
    ),
    model: text,
    usage: record({ prompt_tokens: integer, total_tokens: integer }),
  }),
  Models: record({
    object: { const: 'list' },
    data: list(
      record(
        {
          id: text,
          object: { const: 'model' },
          created: integer,
          owned_by: text,
          version: text,
          digest: text,
          dtype: text,
          provider: text,
          logit_scale: number,
          labels: list(text),
          templates: list(text),
          template_sets: list(text),
          heat_map: { type: 'boolean' },
          limits: record({ images: integer, labels: integer, bytes: integer }),
        },
        { logit_bias: number },
      ),
    ),
  }),
  Live: record({ live: { const: true } }),
  Ready: record({ ready: { const: true } }),
} as const;
