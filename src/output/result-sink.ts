import type { ImageResult } from '../classifier.ts';
import type { Counts, ResultOutput } from './result-output.ts';
import type { ResultWriter } from './writer.ts';

/** Takes the results of a run, one after the other. */
export interface ResultSink<Result> {
  /** Called when the first result is ready, so that nothing is written if the model cannot run. */
  begin(): Promise<void>;
  add(result: Result): Promise<void>;
  /** Called after the last result, also after an early end. @returns the rows that an earlier run had written */
  end(): Promise<Counts>;
  close(): Promise<void>;
}

/** Writes the rows of a format to an output. */
export function rowSink(writer: ResultWriter, output: ResultOutput): ResultSink<ImageResult> {
  return {
    begin: async () => output.head(await writer.begin()),
    add: (result) => output.row(writer.row(result), result.ok ? undefined : result.error.code),
    end: () => output.tail(writer.end()),
    close: () => output.close(),
  };
}
