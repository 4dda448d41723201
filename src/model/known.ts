import type { Env } from '../disk/environment.ts';
import { readPins } from '../hub/pins.ts';
import { findCard, type ModelCard, modelCards } from '../hub/registry.ts';
import { STARTER } from './imports.ts';
import { defaultModel, modelNames } from './store.ts';

/** A model as `models list` shows it. */
export interface KnownModel {
  readonly name: string;
  /** `known`: there is a card, and nothing has been pulled. */
  readonly state: 'built-in' | 'imported' | 'pulled' | 'known';
  readonly default: boolean;
  readonly title?: string;
  readonly repo?: string;
  readonly commit?: string;
  /** bytes */
  readonly size?: number;
  readonly card?: ModelCard;
}

/** What is there, then what could be pulled. */
export async function knownModels(env?: Env): Promise<KnownModel[]> {
  const pins = await readPins(env);
  const chosen = defaultModel(env);
  const chosenName = (await findCard(chosen))?.name ?? chosen;
  const names = await modelNames(env);
  const there = await Promise.all(
    names.map(async (name): Promise<KnownModel> => {
      const pin = pins.get(name);
      const card = await findCard(name);
      return {
        name,
        state: name === STARTER ? 'built-in' : pin === undefined ? 'imported' : 'pulled',
        default: name === chosen || name === chosenName,
        ...(card !== undefined && { title: card.title }),
        ...(pin !== undefined && {
          repo: pin.repo,
          commit: pin.commit,
          size: Object.values(pin.files).reduce((sum, { size }) => sum + size, 0),
        }),
        ...(card !== undefined && { card }),
      };
    }),
  );
  const others = (await modelCards()).filter(({ name }) => !names.includes(name));
  return [
    ...there,
    ...others.map((card): KnownModel => {
      const { name, title, sources } = card;
      return { name, state: 'known', default: name === chosenName, title, repo: sources[0].repo, card };
    }),
  ];
}
