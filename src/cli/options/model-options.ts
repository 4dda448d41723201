import { type Command, Option } from 'commander';
import { type Colour, type DecodeOptions, RESIZE, type Resize } from '../../image/decode-options.ts';
import { DTYPES, type Dtype, PROVIDERS, type ProviderChoice } from '../../model/choices.ts';
import type { CacheOptions } from './cache-options.ts';
import { anyNumber, colour, deviceNumber, pageNumber, positiveNumber, wholeNumber } from './values.ts';

/** The model, its provider, and how images are decoded. */
export interface ModelOptions extends CacheOptions {
  readonly model?: string;
  readonly batch: number;
  readonly timeout: number;
  readonly threads?: number;
  readonly provider: ProviderChoice;
  readonly device?: number;
  readonly dtype?: Dtype;
  readonly logitScale?: number;
  readonly logitBias?: number;
  readonly maxPixels: number;
  readonly exif: boolean;
  readonly allowSvg?: boolean;
  readonly resize: Resize;
  readonly backgroundColour?: Colour;
  readonly page?: number | 'all';
  readonly offline?: boolean;
  readonly perHost?: number;
}

/** The options of {@link ModelOptions}. */
export function withModelOptions(command: Command): Command {
  return command
    .optionsGroup('Model and images:')
    .option(
      '-m, --model <name|folder>',
      'model name or folder (default: $CLIP_CLASSIFY_MODEL, then the model set by "models use", then starter)',
    )
    .option('--batch <n>', 'images in one batch of inference', wholeNumber(1024), 8)
    .option('--timeout <s>', 'give up on an image after this many seconds without progress', wholeNumber(86_400), 10)
    .option('--threads <n>', 'threads for inference (default: all cores)', wholeNumber(1024))
    .addOption(
      new Option('--provider <name>', 'execution provider; auto picks the best one that works')
        .choices(PROVIDERS)
        .default('auto'),
    )
    .option('--device <n>', 'number of the GPU, counted from 0 (default: 0)', deviceNumber)
    .addOption(
      new Option(
        '--dtype <type>',
        'data type of the weights; int8 is faster on CPUs (default: fp32, or the precision of an ONNX model that has no fp32)',
      ).choices(DTYPES),
    )
    .option('--logit-scale <n>', 'logit scale, for an ONNX model that does not contain it', positiveNumber)
    .option('--logit-bias <n>', 'logit bias, for an ONNX SigLIP model that does not contain it', anyNumber)
    .option('--max-pixels <n>', 'reject images with more pixels, before decoding', wholeNumber(2 ** 31), 100_000_000)
    .option('--no-exif', 'do not rotate images according to their EXIF orientation')
    .option('--background-colour <colour>', 'put transparent pictures on this colour, such as white or #ffffff', colour)
    .option(
      '--page <n|all>',
      'page of a TIFF, frame of a GIF or WebP; all gives each one a row (default: 1)',
      pageNumber,
    )
    .option('--allow-svg', 'also read SVG files, drawn on white')
    .addOption(
      new Option('--resize <how>', 'resampling; fast shrinks large JPEG and WebP images while decoding')
        .choices(RESIZE)
        .default('exact'),
    );
}

/** How images are decoded. */
export function decodeOptions(options: ModelOptions): Required<DecodeOptions> & { readonly allPages: boolean } {
  const { exif, maxPixels, allowSvg = false, resize, backgroundColour: background = null, page = 1 } = options;
  const allPages = page === 'all';
  return { exif, maxPixels, svg: allowSvg, resize, background, page: allPages ? 1 : page, allPages };
}
