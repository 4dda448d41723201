import { ClipError, ImageError, LabelsError, ModelError, ProviderError, UsageError } from '../errors.ts';

/** Codes of refused requests. An answer can also have the codes of runs and images. */
export type ServiceCode =
  | 'E_REQUEST'
  | 'E_MEDIA_TYPE'
  | 'E_LIMIT'
  | 'E_BUSY'
  | 'E_FORBIDDEN'
  | 'E_TOKEN'
  | 'E_ROUTE'
  | 'E_STOPPING'
  | 'E_TIMEOUT'
  | 'E_INTERNAL';

/** A request that gets no result: a status of HTTP, a code, and a message without paths of this machine. */
export class Problem extends Error {
  override readonly name = 'Problem';

  constructor(
    readonly status: number,
    readonly code: ServiceCode | ClipError['code'],
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

/** The request is not understood. */
export function badRequest(message: string): Problem {
  return new Problem(400, 'E_REQUEST', message);
}

/** The request is larger than a limit of the service. */
export function tooLarge(message: string): Problem {
  return new Problem(413, 'E_LIMIT', message);
}

/** The queue is full. The client can try again. */
export function busy(what: string): Problem {
  return new Problem(429, 'E_BUSY', `${what}; send the request again in a second`, { 'retry-after': '1' });
}

/** The answer for anything that was thrown. Messages that may name files of this machine are only in the log. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof UsageError || error instanceof LabelsError) return new Problem(400, error.code, error.message);
  if (error instanceof ImageError) return new Problem(422, error.code, error.message);
  if (error instanceof ModelError || error instanceof ProviderError)
    return new Problem(503, error.code, 'the model cannot be run now; look at the log of the service', {}, error);
  const code = error instanceof ClipError ? error.code : 'E_INTERNAL';
  return new Problem(500, code, 'the service failed; look at its log', {}, error);
}
