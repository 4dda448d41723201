import { LARGEST_JSON, readInputText } from '../../disk/input.ts';
import { fields, list, text } from '../../disk/json-fields.ts';
import { messageOf, UsageError } from '../../errors.ts';
import type { Earlier } from '../../predictions.ts';

/** Another run on the same images. */
export interface EarlierRun {
  readonly path: string;
  readonly predictions: readonly Earlier[];
}

/** @throws UsageError if the file is not a JSON report of eval */
export async function readEarlier(path: string): Promise<EarlierRun> {
  try {
    const report = fields(JSON.parse(await readInputText(path, LARGEST_JSON)), 'the report');
    const predictions = list(report, 'predictions').map((one, n) => {
      const entry = fields(one, `prediction ${n + 1}`);
      const predicted = entry['predicted'] === null ? null : text(entry, 'predicted');
      return { key: text(entry, 'key'), truth: text(entry, 'truth'), predicted };
    });
    return { path, predictions };
  } catch (error) {
    throw new UsageError(
      `${path} is not a JSON report of eval: ${messageOf(error)}`,
      'write one with clip-classify eval … -o other.json',
      error,
    );
  }
}
