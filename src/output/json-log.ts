import type { Writable } from 'node:stream';
import { toJson } from './json.ts';

/** Writes the lines of `--log json`: one JSON object for each event, with its time. See docs/logs.md for the fields. */
export class JsonLog {
  /** @param stream usually standard error */
  constructor(private readonly stream: Writable) {}

  /** @param fields the fields of the event, without file contents, query strings, tokens and passwords */
  write(event: string, fields: object = {}): void {
    this.stream.write(`${toJson({ time: new Date().toISOString(), event, ...fields })}\n`);
  }
}
