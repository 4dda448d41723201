import type { Writable } from 'node:stream';
import type { ImageResult } from '../classifier.ts';
import type { ImageIdentity } from '../image/source.ts';
import { errorField } from './flags.ts';
import { type ResultWriter, type RunInfo, rounded } from './writer.ts';

/** One JSON object per line. A row can be read as soon as it is written. */
export function jsonLinesWriter(run: RunInfo): ResultWriter {
  return { begin: () => '', row: (result) => `${toJson(jsonRow(result, run.model))}\n`, end: () => '' };
}

/** One JSON object for the run, with its rows in `results`. It is valid JSON after `end`. */
export function jsonWriter(run: RunInfo): ResultWriter {
  let rows = 0;
  return {
    async begin() {
      const { model, dtype, templates } = run;
      return toJson({ model, provider: await run.provider(), dtype, templates, results: [] }).slice(0, -2);
    },
    row: (result) => `${rows++ === 0 ? '\n' : ',\n'}${toJson(jsonRow(result, run.model))}`,
    end: () => '\n]}\n',
  };
}

/** The row of a result in the jsonl format. */
export function jsonRow(result: ImageResult, model: string): object {
  const identity = { image: result.image, ...pageField(result), ...pathField(result), ...sampleFields(result), model };
  if (!result.ok) return { ...identity, ...errorField(result.error) };
  const { label, score, reason, background } = result;
  return {
    ...identity,
    label,
    score: rounded(score),
    ...(reason && { reason }),
    ...(background !== undefined && { background: rounded(background) }),
    labels: result.labels.map((ranked) => ({
      label: ranked.label,
      score: rounded(ranked.score),
      logit: rounded(ranked.logit),
      cosine: rounded(ranked.cosine),
      ...(ranked.reason && { reason: ranked.reason }),
    })),
  };
}

/** The page of the row, with --page. */
export function pageField({ page }: ImageIdentity): { readonly page?: number } {
  return page === undefined ? {} : { page };
}

/** WebDataset's key and the texts of the sample, with --carry. */
export function sampleFields({ sample }: ImageIdentity): Readonly<Record<string, unknown>> {
  return sample === undefined || Object.keys(sample.carried).length === 0
    ? {}
    : { key: sample.key, sample: sample.carried };
}

/** The path as bytes in its own field, if it is not valid UTF-8. */
export function pathField({ pathBytes }: ImageIdentity): { readonly path_b64?: string } {
  return pathBytes === undefined ? {} : { path_b64: Buffer.from(pathBytes).toString('base64') };
}

export function toJson(value: object): string {
  return escapeControls(JSON.stringify(value));
}

/** Escapes DEL, C1 and bidirectional controls, too. JSON allows them, but they control a terminal. */
export function escapeControls(json: string): string {
  return json.replace(
    /[\x7f-\x9f\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Writes the lines of `--log json`: one JSON object for each event, with its time. See docs/logs.md for the fields. */
export class JsonLog {
  /** @param stream usually standard error */
  constructor(private readonly stream: Writable) {}

  /** @param fields the fields of the event, without file contents, query strings, tokens and passwords */
  write(event: string, fields: object = {}): void {
    this.stream.write(`${toJson({ time: new Date().toISOString(), event, ...fields })}\n`);
  }
}
