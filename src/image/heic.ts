import { createRequire } from 'node:module';
import { ImageError, messageOf } from '../errors.ts';
import { onColour } from './colour.ts';
import type { Colour } from './decode-options.ts';
import { checkPixels } from './limits.ts';
import type { RgbImage } from './resample.ts';

/** The package that decodes HEIC. It is optional: its licence (LGPL) and its patents are the user's choice. */
export const HEIC_PACKAGE = 'libheif-js';
const OLDEST = [1, 22, 0] as const;

/** A pointer in the memory of libheif. */
type Pointer = number;
interface Handle {
  readonly $$: { readonly ptr: Pointer };
}
/** libheif's functions return a value or this object. */
interface Failure {
  readonly code: { readonly value: number } | number;
  readonly message?: string;
}
interface HeifPicture {
  readonly image: Handle;
  readonly width: number;
  readonly height: number;
  readonly channels: readonly {
    readonly data: Uint8Array;
    readonly stride: number;
    readonly width: number;
    readonly height: number;
  }[];
}

/** The functions of libheif-js 1.22 and later that are used here. */
interface Heif {
  readonly HEAPU32: Uint32Array;
  heif_context_alloc(): Handle;
  heif_context_free(context: Handle): void;
  heif_context_read_from_memory(context: Handle, bytes: Uint8Array): Failure;
  heif_js_context_get_primary_image_handle(context: Handle): Handle | Failure;
  heif_image_handle_get_width(handle: Handle): number;
  heif_image_handle_get_height(handle: Handle): number;
  heif_image_handle_release(handle: Handle): void;
  heif_image_release(image: Handle): void;
  heif_js_decode_image2(handle: Handle, colourspace: unknown, chroma: unknown): HeifPicture | Failure;
  readonly heif_colorspace: { readonly heif_colorspace_RGB: unknown };
  readonly heif_chroma: {
    readonly heif_chroma_interleaved_RGB: unknown;
    readonly heif_chroma_interleaved_RGBA: unknown;
  };
  _heif_context_get_security_limits(context: Pointer): Pointer;
}

const requirePackage = createRequire(import.meta.url);

/** The version of libheif-js; undefined if it is not installed. */
export function heicVersion(): string | undefined {
  try {
    const { version } = requirePackage(`${HEIC_PACKAGE}/package.json`) as { version: string };
    return version;
  } catch {
    return undefined;
  }
}

export function isTooOld(version: string): boolean {
  const numbers = version.split('.').map(Number);
  const n = OLDEST.findIndex((oldest, i) => numbers[i] !== oldest);
  return n >= 0 && !((numbers[n] ?? 0) > (OLDEST[n] as number));
}

/** The command that installs the decoder. */
export const INSTALL_HEIC = `npm install ${HEIC_PACKAGE} (with -g if clip-classify is installed with -g)`;

let loaded: Promise<Heif> | undefined;

/** @throws ImageError E_FORMAT if the package is missing or too old */
async function loadHeif(name: string): Promise<Heif> {
  const version = heicVersion();
  if (version === undefined)
    throw new ImageError(
      'E_FORMAT',
      `${name} is a HEIC image, and the package ${HEIC_PACKAGE} that reads it is not installed`,
      INSTALL_HEIC,
    );
  if (isTooOld(version))
    throw new ImageError(
      'E_FORMAT',
      `${name} is a HEIC image, and ${HEIC_PACKAGE} ${version} is too old to read it safely`,
      `npm install ${HEIC_PACKAGE}@latest`,
    );
  // Emscripten exports a function that makes the module. Compiling it takes time and memory.
  loaded ??= (async () => requirePackage(`${HEIC_PACKAGE}/libheif-wasm/libheif-bundle.js`)() as Heif)();
  try {
    return await loaded;
  } catch (error) {
    loaded = undefined;
    throw new ImageError(
      'E_DECODE',
      `${name} cannot be decoded: ${HEIC_PACKAGE} does not start (${messageOf(error)})`,
      'give the process more memory',
      error,
    );
  }
}

/**
 * Decodes the primary picture of a HEIC file in this process. libheif applies the rotation, mirroring and cropping of the file. EXIF
 * orientation repeats these and is not applied again.
 *
 * @param background the colour behind transparent pixels; `null` drops alpha
 * @throws ImageError E_FORMAT, E_DECODE or E_PIXEL_LIMIT
 */
export async function decodeHeicHere(
  bytes: Uint8Array,
  name: string,
  maxPixels: number,
  background: Colour | null = null,
): Promise<RgbImage> {
  const heif = await loadHeif(name);
  const context = heif.heif_context_alloc();
  let handle: Handle | undefined;
  try {
    limitMemory(heif, context, maxPixels);
    check(heif.heif_context_read_from_memory(context, bytes), name);
    const primary = check(heif.heif_js_context_get_primary_image_handle(context), name);
    handle = primary;
    const [width, height] = [heif.heif_image_handle_get_width(primary), heif.heif_image_handle_get_height(primary)];
    checkPixels({ width, height, format: 'HEIC', progressive: false }, name, maxPixels);
    const { heif_chroma_interleaved_RGB: plain, heif_chroma_interleaved_RGBA: withAlpha } = heif.heif_chroma;
    const { heif_colorspace_RGB: rgb } = heif.heif_colorspace;
    const picture = check(heif.heif_js_decode_image2(primary, rgb, background ? withAlpha : plain), name);
    try {
      return background ? blended(picture, background, name) : withoutPadding(picture, name);
    } finally {
      heif.heif_image_release(picture.image);
    }
  } catch (error) {
    if (error instanceof ImageError) throw error;
    throw broken(name, messageOf(error), error);
  } finally {
    if (handle !== undefined) heif.heif_image_handle_release(handle);
    heif.heif_context_free(context);
  }
}

/** Bytes of heif_security_limits: u64 pixels at 8, u64 tiles at 16, u32 items at 28 (libheif/heif_security.h). */
function limitMemory(heif: Heif, context: Handle, maxPixels: number): void {
  const at = heif._heif_context_get_security_limits(context.$$.ptr) >> 2;
  const frame = Math.min(2 ** 30, maxPixels * 1.1); // before cropping
  heif.HEAPU32[at + 2] = frame;
  heif.HEAPU32[at + 3] = 0;
  heif.HEAPU32[at + 4] = 10_000;
  heif.HEAPU32[at + 5] = 0;
  heif.HEAPU32[at + 7] = 12_000;
}

function check<T extends object>(answer: T | Failure, name: string): T {
  if (!('code' in answer)) return answer;
  const code = typeof answer.code === 'number' ? answer.code : answer.code.value;
  if (code === 0) return answer as T;
  throw broken(name, answer.message ?? `error ${code}`);
}

function broken(name: string, reason: string, cause?: unknown): ImageError {
  return new ImageError(
    'E_DECODE',
    `${name} cannot be decoded as HEIC: ${reason.trim()}`,
    'fetch or export it again',
    cause,
  );
}

/** Copies the pixels: rows of libheif are padded, and its memory is used again for the next picture. */
function withoutPadding(picture: HeifPicture, name: string, channels: 3 | 4 = 3): RgbImage {
  const [pixels] = picture.channels;
  if (pixels === undefined) throw broken(name, 'it has no pixels');
  const { data: padded, stride, width, height } = pixels;
  const line = width * channels;
  const data = new Uint8Array(line * height);
  for (let y = 0; y < height; y++) data.set(padded.subarray(y * stride, y * stride + line), y * line);
  return { width, height, data };
}

function blended(picture: HeifPicture, background: Colour, name: string): RgbImage {
  const { width, height, data: rgba } = withoutPadding(picture, name, 4);
  const data = new Uint8Array(width * height * 3);
  const alpha = new Uint8Array(width * height);
  for (let n = 0; n < alpha.length; n++) {
    data.set(rgba.subarray(n * 4, n * 4 + 3), n * 3);
    alpha[n] = rgba[n * 4 + 3] as number;
  }
  return onColour({ width, height, data }, alpha, background);
}
