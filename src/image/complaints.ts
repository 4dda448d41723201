import { oneLine } from '../errors.ts';

/** Lines that repeat another line with fewer details. */
const VAGUE =
  /^(error in tile|read gave \d|libpng read error|libspng read error|unknown error|input buffer (has corrupt header|contains unsupported)|bad seek|warning treated as error|unable to|.*not in a known format)/iu;

/** The error and warnings of libvips about an image, each line once, without the names of its modules. */
export function complaintsOf(texts: readonly string[]): string[] {
  const lines = texts
    .flatMap((text) => text.split('\n'))
    .map((line) => oneLine(line.replace(/^\s*[\w-]{1,20}: (?=\S)/u, (prefix) => (MODULE.test(prefix) ? '' : prefix))))
    .filter((line) => line !== '' && !VAGUE.test(line));
  return [...new Set(lines)];
}

/** Prefixes that name a module of libvips, not a part of the file. */
const MODULE =
  /^\s*(vips\w*|tiff2vips|heif|source|webp2vips|gifload\w*|jpegload\w*|pngload\w*|magick\w*|nsgifload\w*):/iu;

/**
 * Warnings after which pixels are wrong, of libjpeg (jerror.h), libtiff and libspng. Other warnings are harmless: an odd version number or
 * scan header, stray bytes between segments, unknown tags.
 */
const DAMAGE =
  /found marker|premature end|bad huffman|inconsistent progression|extraneous bytes before marker 0xd[0-7]|must resync|bad code|uncompressed data|line length mismatch|not enough|read error|buffer (under|over)/iu;

export function isDamaged(complaints: readonly string[]): boolean {
  return complaints.some((line) => DAMAGE.test(line));
}

/** Why an image cannot be decoded, and what to do. */
export interface Reason {
  readonly reason: string;
  readonly nextStep: string;
}

const AGAIN = 'fetch or export it again';

/** Plain words for messages of decoders; the first match counts. */
const WORDS: readonly (readonly [pattern: RegExp, reason: (match: RegExpExecArray) => string, nextStep: string])[] = [
  [
    /CgBI/u,
    () => 'it is in the format that Xcode makes for iPhone apps (CgBI)',
    'convert it with pngcrush -revert-iphone-optimizations in.png out.png',
  ],
  [
    /^(.{1,40}?) compression support is not configured/u,
    ([, name]) => `its compression (${name}) is not supported`,
    'convert it with tiffcp -c lzw in.tif out.tif',
  ],
  [/(\w+): CRC error/u, ([, chunk]) => `the checksum of its chunk ${chunk} is wrong`, AGAIN],
  [
    /premature end|not enough|unexpected end|end of file|truncated|read error at scanline|bytes, expected|bitstream is too short/iu,
    () => 'the file is cut short or damaged',
    AGAIN,
  ],
  [
    /marker type 0xc[3567bdef]|SOF type 0xc/iu,
    () => 'it is a JPEG of a rare kind (lossless, arithmetic or hierarchical)',
    'convert it to PNG',
  ],
  [/found marker|bad huffman|extraneous bytes|inconsistent progression/iu, () => 'its data are damaged', AGAIN],
];

/** The reason in plain words, or the first message unchanged. */
export function reasonOf(complaints: readonly string[]): Reason {
  for (const [pattern, reason, nextStep] of WORDS) {
    for (const line of complaints) {
      const match = pattern.exec(line);
      if (match !== null) return { reason: reason(match), nextStep };
    }
  }
  return { reason: complaints[0] ?? 'its data are damaged', nextStep: AGAIN };
}
