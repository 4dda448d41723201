import type { ModelDescription } from '../model/description.ts';
import { encodeTexts } from '../model/encoder.ts';
import { openOnProvider } from '../model/provider.ts';
import { openSession } from '../model/session.ts';
import { l2Normalize, type UnitRows } from '../tensor.ts';
import type { Machine } from './image-tower.ts';

/** Prompts of one text batch; prompts of like length go together, so that little padding is computed. */
const TEXT_BATCH = 32;

/**
 * Encodes prompts with a text graph that is opened for the call and closed after it: labels are encoded once, images go on.
 *
 * @param prompts P prompts as token ids, each at most the context long
 * @returns [P, D]
 * @throws ModelError or ProviderError
 */
export async function encodePrompts(
  { preprocessing, towers }: Pick<ModelDescription, 'preprocessing' | 'towers'>,
  machine: Pick<Machine, 'threads' | 'provider' | 'device'>,
  prompts: readonly (readonly number[])[],
): Promise<UnitRows> {
  const { graph, wiring } = (await towers()).text;
  const once = prompts.length <= TEXT_BATCH;
  const { opened: session } = await openOnProvider(machine.provider, (provider) =>
    openSession(graph, { ...machine, provider, once }),
  );
  try {
    return l2Normalize(await encodeTexts(session, wiring, prompts, TEXT_BATCH, preprocessing.size));
  } finally {
    await session.release();
  }
}
