import type { ModelDescription } from '../model/description.ts';
import { encodeTexts } from '../model/encoder.ts';
import { openOnProvider } from '../model/provider.ts';
import { openSession, type Session } from '../model/session.ts';
import { l2Normalize, type UnitRows } from '../tensor.ts';
import { createBreath } from './breath.ts';
import type { Machine } from './image-tower.ts';

/** The most prompts of one inference; those of a batch have one length, so that no padding is computed. */
const TEXT_BATCH = 32;

/** P prompts as token ids, each at most the context long → [P, D] */
export type PromptEncoder = (prompts: readonly (readonly number[])[]) => Promise<UnitRows>;

type Model = Pick<ModelDescription, 'preprocessing' | 'towers'>;
type TextMachine = Pick<Machine, 'threads' | 'provider' | 'device' | 'once'>;

/** The text graph, open. */
export interface TextTower {
  /** @param onRun told before each inference, which blocks this thread */
  encoder(onRun?: () => void): PromptEncoder;
  release(): Promise<void>;
}

/** Opens the text graph. @throws ModelError or ProviderError */
export async function openTextTower({ preprocessing, towers }: Model, machine: TextMachine): Promise<TextTower> {
  const { graph, wiring } = (await towers()).text;
  const { opened } = await openOnProvider(machine.provider, (provider) => openSession(graph, { ...machine, provider }));
  const breathe = createBreath();
  return {
    encoder(onRun = () => {}) {
      const session: Session = {
        release: () => opened.release(),
        async run(feeds, outputs) {
          await breathe();
          onRun();
          return opened.run(feeds, outputs);
        },
      };
      return async (prompts) =>
        l2Normalize(await encodeTexts(session, wiring, prompts, TEXT_BATCH, preprocessing.size));
    },
    release: () => opened.release(),
  };
}

/**
 * Opens the text graph while `use` encodes prompts, and closes it after: labels are encoded once, images go on.
 *
 * @param prompts how many there will be: for a single batch the graph is opened in the form that opens soonest
 * @param onRun told before each inference, which blocks this thread
 * @throws ModelError or ProviderError
 */
export async function withTextTower<T>(
  model: Model,
  machine: TextMachine,
  use: (encode: PromptEncoder) => Promise<T>,
  prompts = Number.POSITIVE_INFINITY,
  onRun: () => void = () => {},
): Promise<T> {
  const tower = await openTextTower(model, { ...machine, once: prompts <= TEXT_BATCH });
  try {
    return await use(tower.encoder(onRun));
  } finally {
    await tower.release();
  }
}
