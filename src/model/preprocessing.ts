import { isRecord } from '../checkpoint/safetensors.ts';
import { ModelError } from '../errors.ts';
import type { Filter } from '../image/kernel.ts';
import type { PerChannel, Preprocessing } from '../image/preprocess.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Pillow's resampling constants, which preprocessor_config.json uses. */
const FILTERS: ReadonlyMap<unknown, Filter> = new Map([
  [0, 'nearest'],
  [1, 'lanczos'],
  [2, 'bilinear'],
  [3, 'bicubic'],
  [4, 'box'],
  [5, 'hamming'],
]);

/** OpenAI's channel means and deviations, the defaults of Hugging Face's CLIPImageProcessor. */
const CLIP_MEAN: PerChannel = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD: PerChannel = [0.26862954, 0.26130258, 0.27577711];

/** Image processors of Hugging Face that squash a picture by default. CLIP's crops it. */
const SQUASHING = /^(ViT|Siglip|DeiT|Beit)/u;

/**
 * The preprocessing of a model, from a preprocessor_config.json of any version: sizes are numbers, arrays or objects. Missing fields
 * have the defaults of the image processor that the file names, or of CLIPImageProcessor.
 *
 * @param imageSize S of the image encoder
 * @param rounding how the library of the model rounds half a pixel at the start of a crop
 * @throws ModelError naming the field, if it is not what the model can take
 */
export function parsePreprocessing(
  config: Fields,
  imageSize: number,
  folder: string,
  rounding: Preprocessing['rounding'],
): Preprocessing {
  const wrong = (field: string, next = `use a config for RGB images of ${imageSize} × ${imageSize} pixels`) =>
    new ModelError(`${field} in the image processor's config (${folder}) is ${JSON.stringify(config[field])}`, next);
  const filter = FILTERS.get(config['resample'] ?? 3);
  if (filter === undefined) throw wrong('resample', "use one of Pillow's filters: 0 to 5");
  const shared = { size: imageSize, rounding, filter, ...normalization(config, wrong) };

  const squashes = SQUASHING.test(String(config['image_processor_type'] ?? config['feature_extractor_type'] ?? ''));
  const crops = (config['do_center_crop'] ?? !squashes) !== false;
  if (crops && sideOf(config['crop_size'] ?? imageSize) !== imageSize) throw wrong('crop_size');
  if (config['do_resize'] === false) {
    if (crops) return { ...shared, fit: 'none', resizeTo: imageSize };
    throw wrong('do_resize', 'a model needs images of one size: set do_resize or do_center_crop to true');
  }
  if (config['do_pad'] === true && !crops) {
    throw wrong('do_pad', 'pictures are padded only up to crop_size: set do_pad to false');
  }
  if (typeof config['crop_pct'] === 'number') throw wrong('crop_pct', 'use an image processor with size and crop_size');
  if (config['fit'] === 'pad') return { ...shared, fit: 'pad', resizeTo: imageSize }; // open_clip's resize_mode longest
  const size = config['size'] ?? imageSize;
  const resizeTo = sideOf(size);
  const longestEdge = isRecord(size) ? size['longest_edge'] : undefined;
  if (resizeTo === undefined || (longestEdge !== undefined && !isSide(longestEdge))) {
    throw wrong(
      'size',
      'supported are a number, height and width that are equal, and shortest_edge with or without longest_edge',
    );
  }
  const shortestEdge = isRecord(size) ? size['shortest_edge'] !== undefined : typeof size === 'number' && !squashes;
  if (!crops && (shortestEdge || resizeTo !== imageSize)) throw wrong(shortestEdge ? 'do_center_crop' : 'size');
  return {
    ...shared,
    fit: shortestEdge ? 'crop' : 'squash',
    resizeTo,
    ...(longestEdge !== undefined && { longestEdge }),
  };
}

function normalization(
  config: Fields,
  wrong: (field: string) => ModelError,
): Pick<Preprocessing, 'divisor' | 'mean' | 'std'> {
  const factor = config['do_rescale'] === false ? 1 : (config['rescale_factor'] ?? 1 / 255);
  if (typeof factor !== 'number' || !(factor > 0)) throw wrong('rescale_factor');
  // Written in decimals, the factor may not be exactly 1 / 255.
  const divisor = Math.abs(factor * 255 - 1) < 1e-6 ? 255 : 1 / factor;
  if (config['do_normalize'] === false) return { divisor, mean: [0, 0, 0], std: [1, 1, 1] };
  const mean = channels(config['image_mean'] ?? CLIP_MEAN);
  if (mean === undefined) throw wrong('image_mean');
  const std = channels(config['image_std'] ?? CLIP_STD);
  if (std === undefined || std.includes(0)) throw wrong('image_std');
  return { divisor, mean, std };
}

/** A number, `[height, width]`, `{ shortest_edge }`, or `{ height, width }`, of equal sides. */
function sideOf(size: unknown): number | undefined {
  const [height, width] = Array.isArray(size)
    ? [size[0], size[size.length - 1]]
    : isRecord(size)
      ? [size['shortest_edge'] ?? size['height'], size['shortest_edge'] ?? size['width']]
      : [size, size];
  return height === width && isSide(height) ? height : undefined;
}

function isSide(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}

/** Three numbers, or one for all channels. */
function channels(value: unknown): PerChannel | undefined {
  if (typeof value === 'number' && Number.isFinite(value)) return [value, value, value];
  if (!Array.isArray(value) || value.length !== 3 || !value.every((v) => typeof v === 'number' && Number.isFinite(v)))
    return undefined;
  return [value[0], value[1], value[2]];
}
