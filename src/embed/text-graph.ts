import type { ModelDescription } from '../model/description.ts';
import { runTextGraph } from '../model/encoder.ts';
import { openOnProvider } from '../model/provider.ts';
import { openSession, type Session } from '../model/session.ts';
import { l2Normalize, type UnitRows } from '../tensor.ts';
import { createBreath } from './encoder.ts';
import type { Execution } from './image-graph.ts';

/** The most prompts of one inference. The prompts of a batch have the same length, so that no padding is computed. */
const TEXT_BATCH = 32;

/** Whether one inference is enough for this number of prompts. */
export const isOneBatch = (prompts = Number.POSITIVE_INFINITY) => prompts <= TEXT_BATCH;

/** P prompts as token ids, each at most the context long → [P, D] */
export type PromptEncoder = (prompts: readonly (readonly number[])[]) => Promise<UnitRows>;

/** An open text graph. */
export interface TextGraph {
  readonly encode: PromptEncoder;
  release(): Promise<void>;
}

type TextModel = Pick<ModelDescription, 'preprocessing' | 'graphs'>;
type TextExecution = Pick<Execution, 'threads' | 'provider' | 'device'>;

/**
 * Opens the text graph.
 *
 * @param once whether it will run once: it then opens faster and runs slower
 * @param onRun called before each inference, which blocks this thread
 * @throws ModelError or ProviderError
 */
export async function openTextGraph(
  { preprocessing, graphs }: TextModel,
  execution: TextExecution,
  once: boolean,
  onRun: () => void = () => {},
): Promise<TextGraph> {
  const { graph, wiring } = (await graphs()).text;
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
  return {
    encode: async (prompts) =>
      l2Normalize(await runTextGraph(session, wiring, prompts, TEXT_BATCH, preprocessing.size)),
    release: () => opened.release(),
  };
}

/**
 * Opens the text graph while `use` encodes prompts, and closes it afterwards, because labels are encoded only once.
 *
 * @param prompts the number of prompts; for a single batch, the graph is opened in the form that opens fastest
 * @throws as {@link openTextGraph}
 */
export async function withTextGraph<T>(
  model: TextModel,
  execution: TextExecution,
  use: (encode: PromptEncoder) => Promise<T>,
  prompts = Number.POSITIVE_INFINITY,
  onRun?: () => void,
): Promise<T> {
  const { encode, release } = await openTextGraph(model, execution, isOneBatch(prompts), onRun);
  try {
    return await use(encode);
  } finally {
    await release();
  }
}
