import { ModelError } from '../../errors.ts';
import { contradictions } from '../../hub/card-check.ts';
import type { Pulled } from '../../hub/pull.ts';
import { findCard } from '../../hub/registry.ts';
import { pinnedFolder } from '../../hub/verify.ts';
import { describeModel } from '../../model/describe.ts';
import { storeImport } from '../../model/imports.ts';
import type { Io } from '../io.ts';

/** Imports a downloaded checkpoint: its graphs are written to the cache of this tool. ONNX models are used unchanged. */
export async function prepare(
  { name, pin, alreadyThere }: Pulled,
  { env }: Pick<Io, 'env'>,
  onWarning: (message: string) => void,
): Promise<void> {
  if (pin.layout === 'onnx' || alreadyThere) return;
  try {
    const model = await describeModel(pinnedFolder(pin), { env });
    await model.tokenizer();
    await storeImport(name, model, env);
    const card = await findCard(name);
    if (card !== undefined) for (const line of contradictions(card, model)) onWarning(line);
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    throw new ModelError(`${name} is downloaded but cannot be used: ${error.fact}`, error.nextStep, error);
  }
}
