import { access, constants, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { exists } from '../disk/exists.ts';
import { answerOf } from '../disk/patience.ts';
import { throwCannotWrite } from '../disk/whole-file.ts';
import { type ImageErrorCode, OutputError, UsageError } from '../errors.ts';
import { formatOf } from '../image/format.ts';
import type { ImageSource } from '../image/source.ts';

/** How many images got labels, how many an error row. */
export interface Counts {
  readonly ok: number;
  readonly failed: number;
}

/** Counts of an output without rows of an earlier run. */
export const NONE_KEPT: Counts = { ok: 0, failed: 0 };

/** Where rows go. */
export interface ResultOutput {
  /** The images that still need a row. */
  remaining(images: AsyncIterable<ImageSource>): AsyncIterable<ImageSource>;
  /** Writes the part before the first row. */
  head(text: string): Promise<void>;
  /** @param failure the error code if this is an error row */
  row(text: string | Uint8Array, failure?: ImageErrorCode): Promise<void>;
  /** Writes the part after the last row. @returns the rows that an earlier run had written */
  tail(text: string): Promise<Counts>;
  close(): Promise<void>;
}

/** Files with these names are pictures, even if their format is not supported. */
const IMAGE =
  /\.(jpe?g|jfif|png|webp|gif|tiff?|avif|bmp|hei[cf]|svg|jxl|jp2|dng|cr[23w]|nef|arw|raf|orf|rw2|pef|srw)$/iu;

/**
 * Refuses an output that is also an input, because opening the output truncates it.
 *
 * @param option the option that names the output
 * @throws UsageError
 */
export async function refuseToOverwrite(output: string, inputs: readonly string[], option = '--output'): Promise<void> {
  if (/^[a-z][a-z0-9+.-]+:\/\//iu.test(output))
    throw new OutputError(`cannot write ${output}: it is an address, not a file`, 'write a local file, and upload it');
  const same = await stat(output, { bigint: true }).catch(() => undefined);
  if (same === undefined && !(await stat(dirname(output)).catch(() => undefined)))
    throw new OutputError(
      `cannot write ${output}: the folder ${dirname(output)} does not exist`,
      'create the folder first',
    );
  if (same === undefined || !same.isFile()) return;
  for (const input of inputs) {
    const info = await answerOf(stat(input, { bigint: true }).catch(() => undefined));
    if (info?.dev === same.dev && info.ino === same.ino) {
      throw new UsageError(`${option} ${output} would overwrite the input ${input}`, 'use another file');
    }
  }
}

/**
 * Refuses an output that is a picture. Folders, globs and lists name pictures that are not known yet when the output is opened.
 *
 * @throws UsageError
 */
export async function refusePicture(output: string): Promise<void> {
  const info = await stat(output).catch(() => undefined);
  if (!info?.isFile() || info.size === 0) return;
  if (!IMAGE.test(output) && !(await startsAsPicture(output))) return;
  throw new UsageError(`--output ${output} would overwrite a picture`, 'name another file');
}

/**
 * Checks before the work that a file can be written at its end.
 *
 * @throws OutputError
 */
export async function checkWritable(output: string): Promise<void> {
  await access((await exists(output)) ? output : dirname(output), constants.W_OK).catch(throwCannotWrite(output));
}

/** An HTML page may contain SVG, but it is not a picture. */
async function startsAsPicture(path: string): Promise<boolean> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return false;
  try {
    const start = Buffer.alloc(1024);
    const { bytesRead } = await file.read(start, 0, start.length, 0);
    const format = formatOf(start.subarray(0, bytesRead));
    return format !== undefined && format !== 'SVG';
  } finally {
    await file.close();
  }
}
