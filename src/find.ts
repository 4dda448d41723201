import type { Clip } from './clip.ts';
import type { Embedded } from './embed/encoder.ts';
import { type ImageError, LabelsError, UsageError } from './errors.ts';
import type { ImageIdentity } from './image/source.ts';
import { cosines, dot, l2Normalize, type Matrix, rowOf, type UnitRows } from './tensor.ts';
import { expandTemplates, promptsOf } from './text/prompts.ts';

/** What is searched for. Texts and pictures add up; texts of `without` are subtracted. */
export interface Query {
  readonly texts?: readonly string[];
  readonly without?: readonly string[];
  /** Embeddings of pictures, each [1, D]. */
  readonly like?: readonly UnitRows[];
  /** Prompt templates, or names of template sets. @default the text as given */
  readonly templates?: readonly string[];
}

/** An image and its similarity to the query. */
export type Found = ImageIdentity & { readonly cosine: number };

/** An image that could not be read. */
export type Unread = ImageIdentity & { readonly error: ImageError };

export interface Findings {
  /** Greatest cosine first. With equal cosines, the earlier image comes first. */
  readonly found: readonly Found[];
  readonly failed: readonly Unread[];
  /** Images that were compared. */
  readonly compared: number;
}

/** The weight of a subtracted text. It is less than 1, because most of its embedding is common to all texts. */
const WEIGHT_OF_WITHOUT = 0.5;

/** A shorter sum has no direction. */
const NOTHING = 1e-3;

/**
 * The query as one point on CLIP's unit sphere: `unit(Σ texts + Σ pictures − ½ Σ without)`.
 *
 * @returns [1, D]
 * @throws LabelsError if a text is empty or nothing is searched for
 */
export async function embedQuery(clip: Pick<Clip, 'encodeLabels'>, query: Query): Promise<UnitRows> {
  const { texts = [], without = [], like = [], templates = ['{}'] } = query;
  if ([...texts, ...without].some((text) => text.trim() === ''))
    throw new LabelsError('a text of the search is empty', 'write what the pictures show');
  if (texts.length + like.length === 0) throw new LabelsError('nothing to search for', 'give a text or a picture');
  const expanded = expandTemplates(templates);
  const words = [...texts, ...without].map((label) => promptsOf({ label: label.trim() }, expanded));
  const rows = words.length > 0 ? (await clip.encodeLabels(words)).rows : undefined;
  const parts = [
    ...texts.map((_, n) => ({ weight: 1, part: rowOf(rows as UnitRows, n) })),
    ...without.map((_, n) => ({ weight: -WEIGHT_OF_WITHOUT, part: rowOf(rows as UnitRows, texts.length + n) })),
    ...like.map((part) => ({ weight: 1, part })),
  ];
  return sumOf(parts);
}

function sumOf(parts: readonly { readonly weight: number; readonly part: UnitRows }[]): UnitRows {
  const columns = parts[0]?.part.columns ?? 0;
  const data = new Float32Array(columns);
  for (const { weight, part } of parts)
    for (let d = 0; d < columns; d++) data[d] = (data[d] as number) + weight * (part.data[d] as number);
  const sum: Matrix = { rows: 1, columns, data };
  if (dot(data, data) < NOTHING ** 2)
    throw new UsageError('the texts of the search cancel each other', 'remove a text from --without');
  return l2Normalize(sum);
}

/**
 * Ranks images by their cosine with the query. Memory depends on `top`, not on the number of images.
 *
 * @param query [1, D]
 * @param top images to keep; Infinity keeps all
 * @param threshold minimum cosine of an image
 */
export async function findImages(
  query: UnitRows,
  images: AsyncIterable<Embedded>,
  { top = 20, threshold = -1 }: { readonly top?: number; readonly threshold?: number } = {},
): Promise<Findings> {
  let best: (Found & { readonly order: number })[] = [];
  const failed: Unread[] = [];
  let order = 0;
  let floor = threshold; // images below the last of the kept ones are not kept
  const byRank = (a: (typeof best)[number], b: (typeof best)[number]) => b.cosine - a.cosine || a.order - b.order;
  for await (const one of images) {
    if (!one.ok) {
      const { ok: _, ...unread } = one;
      failed.push(unread);
      continue;
    }
    if (order === 0) cosines(one.embedding, query); // throws if they do not have the same dimensions
    const cosine = dot(one.embedding.data, query.data);
    if (cosine >= floor) {
      const { ok: _, embedding: __, ...identity } = one;
      best.push({ ...identity, cosine, order });
    }
    order++;
    if (best.length > 2 * top + 1000) {
      best = best.sort(byRank).slice(0, top);
      floor = best.at(-1)?.cosine ?? threshold;
    }
  }
  const found = best.sort(byRank).slice(0, top);
  return { found: found.map(({ order: _, ...one }) => one), failed, compared: order };
}
