/** What the page needs to know of the service; from /v1/models. */
export interface Facts {
  readonly id: string;
  readonly labels: readonly string[];
  readonly template_sets: readonly string[];
  /** Whether heat maps can be drawn. */
  readonly heat_map: boolean;
  /** The most images of a request. */
  readonly limits: { readonly images: number };
}

export interface Ranked {
  readonly label: string;
  readonly score: number;
}

/** The result of one picture, as `-f jsonl` has it. */
export type Row =
  | {
      readonly label: string | null;
      readonly score: number;
      readonly reason?: string;
      readonly labels: readonly Ranked[];
      readonly error?: undefined;
    }
  | { readonly error: Refusal };

export interface Refusal {
  readonly code: string;
  readonly message: string;
}

/** The fields of a request to /v1/classify, without its pictures. */
export interface Question {
  /** Undefined for the labels of the service. */
  readonly labels?: readonly string[];
  readonly templates?: readonly string[];
  readonly background?: boolean;
  readonly multiLabel?: boolean;
  readonly threshold?: number;
}

export interface Answer {
  readonly results: readonly Row[];
  readonly warnings?: readonly string[];
}

/** The service refuses a request, or does not answer. */
export class ServiceError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** The most labels of a picture. */
export const TOP = 50;

/** Asks the service that this page comes from. */
export class Service {
  /** @param token undefined if the service needs none */
  constructor(readonly token: string | undefined) {}

  async facts(): Promise<Facts> {
    const { data } = (await this.json('/v1/models', {})) as { data: [Facts] };
    return data[0];
  }

  /** Sends a picture once. @returns the id that stands for it from then on */
  async keep(file: File): Promise<{ readonly id: string } | { readonly error: Refusal }> {
    const address = `/v1/pictures?name=${encodeURIComponent(file.name)}`;
    const { results } = (await this.json(address, bytesOf(file))) as {
      results: [{ id: string } | { error: Refusal }];
    };
    return results[0];
  }

  async classify(ids: readonly string[], question: Question, signal: AbortSignal): Promise<Answer> {
    const body = JSON.stringify({ images: ids.map((id) => ({ id })), top: TOP, ...question });
    const headers = { 'content-type': 'application/json' };
    return (await this.json('/v1/classify', { method: 'POST', headers, body, signal })) as Answer;
  }

  /** @returns a picture */
  async heatMap(file: File, label: string, templates: readonly string[], signal: AbortSignal): Promise<Blob> {
    const form = new FormData();
    form.append('images', file, file.name);
    form.append('options', JSON.stringify({ labels: [label], ...(templates.length > 0 && { templates }) }));
    return (await this.ask('/v1/explain', { method: 'POST', body: form, signal })).blob();
  }

  private async json(address: string, init: RequestInit): Promise<unknown> {
    return (await this.ask(address, init)).json();
  }

  /** Waits and asks again while the service is full. */
  private async ask(address: string, init: RequestInit): Promise<Response> {
    const headers = { ...init.headers, ...(this.token !== undefined && { authorization: `Bearer ${this.token}` }) };
    for (;;) {
      const response = await fetch(address, { ...init, headers }).catch((error) => {
        if (init.signal?.aborted) throw error;
        throw new ServiceError(0, 'the service does not answer');
      });
      if (response.ok) return response;
      if (response.status !== 429) {
        const { error } = (await response.json().catch(() => ({}))) as { error?: Refusal };
        throw new ServiceError(response.status, error?.message ?? `the service answers ${response.status}`);
      }
      await new Promise((done) => setTimeout(done, 1000 * Number(response.headers.get('retry-after') ?? 1)));
      init.signal?.throwIfAborted();
    }
  }
}

function bytesOf(file: File): RequestInit {
  return { method: 'POST', body: file, headers: { 'content-type': 'application/octet-stream' } };
}
