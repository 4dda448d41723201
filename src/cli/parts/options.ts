import type { Command } from 'commander';
import { UsageError } from '../../errors.ts';
import type { LeftOut } from '../../inputs/left-out.ts';
import { givenImages, givenInputs } from '../given-images.ts';
import { peek } from '../inputs.ts';
import type { Io } from '../io.ts';
import { chosenShard, type InputOptions } from '../options/input-options.ts';
import { outputFile, wholeNumber } from '../options/values.ts';
import { imageParts, type Part, tarParts } from './plan.ts';

/** The options that write one output for each part of the input. */
export interface PartsOptions extends InputOptions {
  readonly outputDir?: string;
  readonly rowsPerFile?: number;
  readonly quiet?: boolean;
}

/** The options of {@link PartsOptions}. */
export function withPartsOptions(command: Command): Command {
  return command
    .option(
      '--output-dir <folder>',
      'write one file for each tar into a folder (parquet unless --format is given); a second run skips the files that are done',
      outputFile,
    )
    .option(
      '--rows-per-file <n>',
      'with --output-dir, write one file for every n images that are not in tars',
      wholeNumber(10_000_000),
    );
}

/**
 * Refuses options that do not work with --output-dir.
 *
 * @param others names of such options, and whether each is given
 * @throws UsageError
 */
export function refuseOutputs(
  { outputDir, rowsPerFile }: PartsOptions,
  others: Readonly<Record<string, boolean>>,
): void {
  if (outputDir === undefined) {
    if (rowsPerFile !== undefined)
      throw new UsageError('--rows-per-file needs --output-dir', 'add --output-dir <folder>');
    return;
  }
  const wrong = Object.entries(others).find(([, isGiven]) => isGiven)?.[0];
  if (wrong === undefined) return;
  const advice = wrong === '--resume' ? 'remove --resume: a second run skips what is done' : `remove ${wrong}`;
  throw new UsageError(`${wrong} does not work with --output-dir`, advice);
}

/** The parts of a command line. */
export interface GivenParts {
  readonly amount: 'many';
  readonly parts: AsyncIterable<Part>;
  readonly leftOut: LeftOut;
  /** Ends the search: no more images are needed. */
  stop(): void;
}

/** @throws UsageError if there is no image */
export async function givenParts(
  given: readonly string[],
  options: PartsOptions,
  io: Io,
  warn: (message: string) => void,
): Promise<GivenParts> {
  const { rowsPerFile } = options;
  if (rowsPerFile !== undefined) {
    const images = await givenImages(given, options, io, warn, { readsTars: true });
    const parts = imageParts(images.images, rowsPerFile, chosenShard(options, io));
    return { amount: 'many', parts: await checked(parts), leftOut: images.leftOut, stop: images.stop };
  }
  const { args, inputs, leftOut, stop } = await givenInputs(given, options, io, warn, true);
  return { amount: 'many', parts: await checked(tarParts(args, inputs)), leftOut, stop };
}

/** The same parts. The first is found now, so that wrong arguments are reported before the model is opened. */
async function checked(parts: AsyncGenerator<Part>): Promise<AsyncIterable<Part>> {
  return (await peek(parts, 1)).all;
}
