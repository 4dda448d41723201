import type { Env } from '../disk/environment.ts';
import { readPins } from '../hub/pins.ts';
import { findCard, type ModelCard, modelCards } from '../hub/registry.ts';
import { blueprint, parametersOf } from './blueprint.ts';
import { defaultModel } from './default-model.ts';
import { describeModel } from './describe.ts';
import { modelNames } from './find.ts';
import { type Speed, speedOf } from './speed.ts';
import { STARTER } from './starter.ts';

/** A model in `models list`. */
export interface KnownModel {
  readonly name: string;
  /** `known`: there is a model card, but the model is not downloaded. */
  readonly state: 'built-in' | 'imported' | 'pulled' | 'known';
  readonly default: boolean;
  readonly title?: string;
  readonly repo?: string;
  readonly commit?: string;
  /** bytes of the files of a downloaded model */
  readonly size?: number;
  /** approximate bytes of the download */
  readonly download?: number;
  /** S, pixels on a side */
  readonly inputSize?: number;
  readonly licence?: string;
  /** Zero-shot accuracy on ImageNet, 0 to 1 */
  readonly top1?: number;
  readonly speed?: Speed;
  /** False if no known repository has weights that can be loaded. */
  readonly pullable?: boolean;
  /** The command that downloads the model. */
  readonly pull?: string;
  readonly card?: ModelCard;
}

/** The models on this machine, then the models that can be downloaded. */
export async function knownModels(env?: Env): Promise<KnownModel[]> {
  const pins = await readPins(env);
  const chosen = defaultModel(env);
  const chosenName = (await findCard(chosen))?.name ?? chosen;
  const names = await modelNames(env);
  const there = names.map(async (name): Promise<KnownModel> => {
    const pin = pins.get(name);
    const card = await findCard(name);
    return {
      name,
      state: name === STARTER ? 'built-in' : pin === undefined ? 'imported' : 'pulled',
      default: name === chosen || name === chosenName,
      ...(pin !== undefined && {
        repo: pin.repo,
        commit: pin.commit,
        size: Object.values(pin.files).reduce((sum, { size }) => sum + size, 0),
      }),
      ...(card === undefined ? await factsOfFolder(name, env) : factsOfCard(card)),
    };
  });
  const others = (await modelCards()).filter(({ name }) => !names.includes(name));
  return [
    ...(await Promise.all(there)),
    ...others.map((card): KnownModel => {
      const { name, sources, pullable } = card;
      const facts = factsOfCard(card);
      const { repo } = sources[0];
      const pull = `clip-classify models pull ${name}`;
      const download = downloadOf(card);
      return { name, state: 'known', default: name === chosenName, repo, download, pullable, pull, ...facts };
    }),
  ];
}

function factsOfCard(card: ModelCard) {
  const { title, licence, preprocessing, imagenetZeroShot } = card;
  const speed = speedOf(blueprint(card).architecture);
  const { size: inputSize } = preprocessing;
  return {
    title,
    inputSize,
    licence,
    ...(imagenetZeroShot && { top1: imagenetZeroShot.top1 }),
    ...(speed && { speed }),
    card,
  };
}

/** The facts in the folder of a model; empty if the model is damaged. */
async function factsOfFolder(name: string, env?: Env): Promise<Pick<KnownModel, 'inputSize' | 'speed'>> {
  const model = await describeModel(name, env === undefined ? {} : { env }).catch(() => undefined);
  if (model === undefined) return {};
  const speed = model.contents.kind === 'checkpoint' ? speedOf(model.contents.architecture) : undefined;
  return { inputSize: model.preprocessing.size, ...(speed && { speed }) };
}

/** The size of the weights from the card, or an estimate from the number of parameters. */
function downloadOf(card: ModelCard): number {
  const weights = card.sources[0].digests.find(({ path }) => path.endsWith('.safetensors'));
  return weights?.size ?? parametersOf(blueprint(card)) * Float32Array.BYTES_PER_ELEMENT;
}
