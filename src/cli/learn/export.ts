import { basename } from 'node:path';
import type { Clip } from '../../clip.ts';
import { UsageError } from '../../errors.ts';
import type { Learned } from '../../learn/learned.ts';

/** @throws UsageError if a name does not say which graph is wanted */
export function requireExports(files: readonly string[]): void {
  for (const file of files) kindOf(file);
}

/** Writes the classifier as an ONNX graph. */
export async function exportGraphs(file: string, _learned: Learned, _clip: Clip): Promise<void> {
  throw new UsageError(`${kindOf(file)} graphs cannot be written yet`, 'remove --export');
}

/** `head.onnx` is a graph over embeddings, `whole.onnx` goes from pixels to probabilities. */
function kindOf(file: string): 'head' | 'whole' {
  const name = basename(file).toLowerCase();
  const kind = (['head', 'whole'] as const).find((one) => name.includes(one) && name.endsWith('.onnx'));
  if (kind !== undefined) return kind;
  throw new UsageError(`--export ${file} does not say which graph is wanted`, 'name the file head.onnx or whole.onnx');
}
