import type { ModelDescription } from '../model/description.ts';
import { runTextGraph } from '../model/encoder.ts';
import { openOnProvider } from '../model/provider.ts';
import { openSession, type Session } from '../model/session.ts';
import { l2Normalize, type UnitRows } from '../tensor.ts';
import { createBreath } from './encoder.ts';
import type { Execution } from './image-graph.ts';

/** The most prompts of one inference. The prompts of a batch have the same length, so that no padding is computed. */
const TEXT_BATCH = 32;

/** P prompts as token ids, each at most the context long → [P, D] */
export type PromptEncoder = (prompts: readonly (readonly number[])[]) => Promise<UnitRows>;

/**
 * Opens the text graph while `use` encodes prompts, and closes it afterwards, because labels are encoded only once.
 *
 * @param prompts the number of prompts; for a single batch, the graph is opened in the form that opens fastest
 * @param onRun called before each inference, which blocks this thread
 * @throws ModelError or ProviderError
 */
export async function withTextGraph<T>(
  { preprocessing, graphs }: Pick<ModelDescription, 'preprocessing' | 'graphs'>,
  execution: Pick<Execution, 'threads' | 'provider' | 'device'>,
  use: (encode: PromptEncoder) => Promise<T>,
  prompts = Number.POSITIVE_INFINITY,
  onRun: () => void = () => {},
): Promise<T> {
  const { graph, wiring } = (await graphs()).text;
  const once = prompts <= TEXT_BATCH;
  const { opened } = await openOnProvider(execution.provider, (provider) =>
    openSession(graph, { ...execution, provider, once }),
  );
  const breathe = createBreath();
  const session: Session = {
    release: () => opened.release(),
    async run(feeds, outputs) {
      await breathe();
      onRun();
      return opened.run(feeds, outputs);
    },
  };
  try {
    return await use(async (prompts) =>
      l2Normalize(await runTextGraph(session, wiring, prompts, TEXT_BATCH, preprocessing.size)),
    );
  } finally {
    await session.release();
  }
}
