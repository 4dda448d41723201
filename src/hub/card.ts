import { isRecord } from '../checkpoint/safetensors.ts';
import { ModelError } from '../errors.ts';
import type { Filter } from '../image/kernel.ts';
import type { PerChannel, Preprocessing } from '../image/preprocess.ts';

/** Pillow's resampling constants, as preprocessor_config.json has them. */
const FILTERS: ReadonlyMap<unknown, Filter> = new Map([
  [2, 'bilinear'],
  [3, 'bicubic'],
]);

/** OpenAI's channel means and deviations, which Hugging Face's CLIPImageProcessor has as its defaults. */
const CLIP_MEAN: PerChannel = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD: PerChannel = [0.26862954, 0.26130258, 0.27577711];

/**
 * How a model wants its images, from its preprocessor_config.json: both spellings of sizes (a number, or an object),
 * a crop, or none for models that squash. Fields that are left out have the defaults of CLIPImageProcessor.
 *
 * @param imageSize S of the image tower
 * @throws ModelError naming the field, if it is not what the model can take
 */
export function parsePreprocessing(
  config: Readonly<Record<string, unknown>>,
  imageSize: number,
  folder: string,
): Preprocessing {
  const wrong = (field: string) =>
    new ModelError(
      `${field} in preprocessor_config.json (${folder}) is ${JSON.stringify(config[field])}`,
      `use a config for RGB images of ${imageSize} × ${imageSize} pixels with bicubic or bilinear resampling`,
    );
  const filter = FILTERS.get(config['resample'] ?? 3);
  if (filter === undefined) throw wrong('resample');
  for (const step of ['do_resize', 'do_rescale', 'do_normalize']) if (config[step] === false) throw wrong(step);
  const factor = config['rescale_factor'] ?? 1 / 255;
  if (typeof factor !== 'number' || Math.abs(factor * 255 - 1) > 1e-6) throw wrong('rescale_factor');
  const mean = channels(config['image_mean'] ?? CLIP_MEAN);
  if (mean === undefined) throw wrong('image_mean');
  const std = channels(config['image_std'] ?? CLIP_STD);
  if (std === undefined || std.includes(0)) throw wrong('image_std');

  const { size = imageSize, crop_size: cropSize = imageSize } = config;
  const resizeTo = sideOf(size);
  if (isRecord(size) && size['shortest_edge'] === undefined) {
    if (resizeTo !== imageSize) throw wrong('size');
    return { size: imageSize, fit: 'squash', resizeTo, filter, mean, std };
  }
  if (config['do_center_crop'] === false) throw wrong('do_center_crop');
  if (sideOf(cropSize) !== imageSize) throw wrong('crop_size');
  if (resizeTo === undefined || resizeTo < imageSize) throw wrong('size');
  return { size: imageSize, fit: 'crop', resizeTo, filter, mean, std };
}

/** A number, `{ shortest_edge }`, or `{ height, width }` of equal sides. */
function sideOf(size: unknown): number | undefined {
  const side = isRecord(size)
    ? (size['shortest_edge'] ?? (size['height'] === size['width'] ? size['height'] : undefined))
    : size;
  return typeof side === 'number' && Number.isSafeInteger(side) && side > 0 ? side : undefined;
}

function channels(value: unknown): PerChannel | undefined {
  if (!Array.isArray(value) || value.length !== 3 || !value.every((v) => typeof v === 'number' && Number.isFinite(v)))
    return undefined;
  return [value[0], value[1], value[2]];
}
