import * as v from 'valibot';
import type { ImageResult } from '../classifier.ts';
import { imageErrorOf } from '../embed/messages.ts';
import { type ClipError, LabelsError, oneLine, ServerError, UsageError } from '../errors.ts';
import type { ImageIdentity } from '../image/source.ts';
import type { Reply, ServerConnection } from './connection.ts';

const RANKED = v.object({
  label: v.string(),
  score: v.number(),
  logit: v.number(),
  cosine: v.number(),
  reason: v.optional(v.literal('threshold')),
});
const ROW = v.object({
  label: v.nullable(v.string()),
  score: v.number(),
  reason: v.optional(v.picklist(['none', 'threshold', 'margin'])),
  background: v.optional(v.number()),
  labels: v.array(RANKED),
});
/** A refused request, or an image that failed. */
const REFUSED = v.object({ error: v.object({ code: v.string(), message: v.string() }) });

/** The answer of `/v1/classify` to one image. */
export const CLASSIFIED = v.object({
  model: v.string(),
  results: v.tuple([v.union([REFUSED, ROW])]),
  warnings: v.optional(v.array(v.string()), []),
});

/** The answer of `/v1/models`. */
export const MODELS = v.object({
  data: v.tuple([
    v.object({
      id: v.string(),
      version: v.string(),
      digest: v.string(),
      dtype: v.picklist(['fp32', 'fp16', 'int8']),
      provider: v.string(),
      logit_scale: v.number(),
      logit_bias: v.optional(v.number()),
      labels: v.array(v.string()),
      templates: v.array(v.string()),
      limits: v.object({ images: v.number(), labels: v.number(), bytes: v.number() }),
    }),
  ]),
});

/**
 * What an answer says.
 *
 * @throws LabelsError, UsageError if the service refuses the labels or options; ServerError for any other refusal, and for what is not
 * an answer of clip-classify
 */
export function readAnswer<S extends v.GenericSchema>(
  schema: S,
  { status, body }: Reply,
  { address }: Pick<ServerConnection, 'address'>,
): v.InferOutput<S> {
  if (status === 200) {
    const answer = v.safeParse(schema, body);
    if (answer.success) return answer.output;
  }
  const refused = v.safeParse(REFUSED, body);
  if (status === 200 || !refused.success)
    throw new ServerError(
      `the server at ${address.name} does not answer like clip-classify serve (status ${status})`,
      'check the address, and use the same version for both',
    );
  throw refusalOf(status, refused.output.error, address.name);
}

function refusalOf(status: number, { code, message }: { code: string; message: string }, server: string): ClipError {
  const { fact, nextStep } = halves(message);
  if (code === 'E_LABELS') return new LabelsError(fact, nextStep);
  if (code === 'E_USAGE') return new UsageError(fact, nextStep);
  const said = `the server at ${server} refuses (status ${status}): ${fact}`;
  return new ServerError(said, status === 401 ? 'use --server-token-file <file>' : nextStep);
}

/**
 * The result of an image.
 *
 * @param sentAs the name that was sent to the service; messages get the real name
 */
export function resultOf(
  row: v.InferOutput<typeof CLASSIFIED>['results'][0],
  identity: ImageIdentity,
  sentAs: string,
): ImageResult {
  if ('error' in row) {
    const { code, message } = row.error;
    const named = message.replaceAll(sentAs, () => oneLine(identity.image));
    return { ...identity, ok: false, error: imageErrorOf({ code, ...halves(named) }) };
  }
  const { label, score, reason, background, labels } = row;
  return {
    ...identity,
    ok: true,
    label,
    score,
    ...(reason && { reason }),
    ...(background !== undefined && { background }),
    labels: labels.map(({ reason: why, ...ranked }) => ({ ...ranked, ...(why && { reason: why }) })),
  };
}

/** A message is a fact and the next step. */
function halves(message: string): { readonly fact: string; readonly nextStep: string } {
  const at = message.lastIndexOf('; ');
  return at < 0
    ? { fact: message, nextStep: 'see the log of the server' }
    : { fact: message.slice(0, at), nextStep: message.slice(at + 2) };
}
