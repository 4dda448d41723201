import glyphs from './glyphs.json' with { type: 'json' };
import { sharp } from './libvips.ts';
import type { RgbImage } from './resample.ts';

/** Sizes of letters, in pixels. */
export type LetterSize = keyof typeof glyphs.sizes;

/** Where a line of text is written. */
export interface Place {
  /** Left end of the text; right end with `isRight`. */
  readonly x: number;
  /** Of the line on which letters stand. */
  readonly y: number;
  readonly isRight?: boolean;
  /** Longer text is cut and ends in an ellipsis. */
  readonly width: number;
  /** 0 is black, 255 white. */
  readonly grey: number;
}

/** The letters of one size, side by side. */
interface Letters {
  /** Coverage, 0 to 255, row after row. */
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly ascent: number;
  readonly padding: number;
  /** Of each letter: its left edge among the letters, and the width that it takes in a text. */
  readonly places: ReadonlyMap<string, { readonly left: number; readonly advance: number }>;
}

const read = new Map<LetterSize, Promise<Letters>>();

/**
 * Writes a line of text into an image. The letters are pictures, because a server may have no font at all. They are Latin; others
 * become a question mark.
 */
export async function writeText(image: RgbImage, text: string, size: LetterSize, place: Place): Promise<void> {
  const letters = await (read.get(size) ?? remember(size));
  const { places, padding, ascent } = letters;
  const known = Array.from(text.normalize('NFC').replace(/\s+/gu, ' '), (one) => (places.has(one) ? one : '?'));
  const advance = (one: string) => places.get(one)?.advance ?? 0;
  const widthOf = (line: readonly string[]) => line.reduce((sum, one) => sum + advance(one), 0);
  let shown = known;
  while (shown.length > 1 && widthOf(shown) > place.width) shown = [...shown.slice(0, -2), '…'];
  let x = Math.round(place.isRight ? place.x - widthOf(shown) : place.x);
  for (const one of shown) {
    draw(
      image,
      letters,
      places.get(one)?.left ?? 0,
      advance(one) + 2 * padding,
      x - padding,
      place.y - ascent,
      place.grey,
    );
    x += advance(one);
  }
}

function draw(
  { data, width, height }: RgbImage,
  letters: Letters,
  left: number,
  columns: number,
  atX: number,
  atY: number,
  grey: number,
): void {
  for (let y = Math.max(0, -atY); y < Math.min(letters.height, height - atY); y++)
    for (let x = Math.max(0, -atX); x < Math.min(columns, width - atX); x++) {
      const coverage = letters.data[y * letters.width + left + x] as number;
      if (coverage === 0) continue;
      const to = ((atY + y) * width + atX + x) * 3;
      for (let c = to; c < to + 3; c++)
        data[c] = Math.round(((data[c] as number) * (255 - coverage) + grey * coverage) / 255);
    }
}

function remember(size: LetterSize): Promise<Letters> {
  const letters = readLetters(size);
  read.set(size, letters);
  return letters;
}

async function readLetters(size: LetterSize): Promise<Letters> {
  const { png, ascent, padding, advances } = glyphs.sizes[size];
  const { data, info } = await sharp()(Buffer.from(png, 'base64'))
    .toColourspace('b-w')
    .raw()
    .toBuffer({ resolveWithObject: true });
  let left = 0;
  const places = new Map(
    Array.from(glyphs.characters, (one, n) => {
      const place = { left, advance: advances[n] as number };
      left += place.advance + 2 * padding;
      return [one, place] as const;
    }),
  );
  return { data, width: info.width, height: info.height, ascent, padding, places };
}
