import type { ModelDescription } from '../model/description.ts';
import { encodeTexts } from '../model/encoder.ts';
import { openOnProvider } from '../model/provider.ts';
import { openSession, type Session } from '../model/session.ts';
import { l2Normalize, type UnitRows } from '../tensor.ts';
import { createBreath } from './breath.ts';
import type { Machine } from './image-tower.ts';

/** The most prompts of one inference. The prompts of a batch have the same length, so that no padding is computed. */
const TEXT_BATCH = 32;

/** P prompts as token ids, each at most the context long → [P, D] */
export type PromptEncoder = (prompts: readonly (readonly number[])[]) => Promise<UnitRows>;

type Texts = Pick<ModelDescription, 'preprocessing' | 'towers'>;
type TextMachine = Pick<Machine, 'threads' | 'provider' | 'device'>;

/** The text graph, open. */
export interface TextTower {
  readonly encode: PromptEncoder;
  release(): Promise<void>;
}

/**
 * Opens the text graph.
 *
 * @param once whether it will run once: it then opens faster and runs slower
 * @param onRun called before each inference, which blocks this thread
 * @throws ModelError or ProviderError
 */
export async function openTextTower(
  { preprocessing, towers }: Texts,
  machine: TextMachine,
  once: boolean,
  onRun: () => void = () => {},
): Promise<TextTower> {
  const { graph, wiring } = (await towers()).text;
  const { opened } = await openOnProvider(machine.provider, (provider) =>
    openSession(graph, { ...machine, provider, once }),
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
    encode: async (prompts) => l2Normalize(await encodeTexts(session, wiring, prompts, TEXT_BATCH, preprocessing.size)),
    release: () => opened.release(),
  };
}

/**
 * Opens the text graph while `use` encodes prompts, and closes it afterwards, because labels are encoded only once.
 *
 * @param prompts the number of prompts; for a single batch, the graph is opened in the form that opens fastest
 * @throws as {@link openTextTower}
 */
export async function withTextTower<T>(
  model: Texts,
  machine: TextMachine,
  use: (encode: PromptEncoder) => Promise<T>,
  prompts = Number.POSITIVE_INFINITY,
  onRun?: () => void,
): Promise<T> {
  const tower = await openTextTower(model, machine, prompts <= TEXT_BATCH, onRun);
  try {
    return await use(tower.encode);
  } finally {
    await tower.release();
  }
}
