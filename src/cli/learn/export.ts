import { basename } from 'node:path';
import type { Clip } from '../../clip.ts';
import { UsageError } from '../../errors.ts';
import { writeHeadGraph, writeWholeGraph } from '../../learn/graph-file.ts';
import type { Learned } from '../../learn/learned.ts';

/** @throws UsageError if a file name is not head.onnx or whole.onnx */
export function requireExports(files: readonly string[]): void {
  for (const file of files) kindOf(file);
}

/** Writes the classifier as an ONNX graph. @throws UsageError or OutputError */
export async function exportGraph(file: string, learned: Learned, clip: Clip): Promise<void> {
  await (kindOf(file) === 'head' ? writeHeadGraph : writeWholeGraph)(learned, clip, file);
}

/** `head.onnx` is a graph over embeddings, `whole.onnx` goes from pixels to probabilities. */
function kindOf(file: string): 'head' | 'whole' {
  const name = basename(file).toLowerCase();
  const kind = (['head', 'whole'] as const).find((one) => name.includes(one) && name.endsWith('.onnx'));
  if (kind !== undefined) return kind;
  throw new UsageError(`--export ${file} does not say which graph is wanted`, 'name the file head.onnx or whole.onnx');
}
