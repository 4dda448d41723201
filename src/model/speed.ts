import type { Architecture } from '../checkpoint/architecture.ts';

/** Speed class compared with other models: a ViT-B/32 is fast, a ViT-L/14 slow. */
export type Speed = 'very fast' | 'fast' | 'medium' | 'slow' | 'very slow';

/** The most multiplications of an image, in thousands of millions, for each class. A ViT-B/32 has 4.3, a ViT-L/14 81. */
const CLASSES: readonly (readonly [Speed, number])[] = [
  ['very fast', 2],
  ['fast', 8],
  ['medium', 30],
  ['slow', 120],
];

/** The speed class of an image encoder; undefined for one that is not a vision transformer. */
export function speedOf({ image }: Architecture): Speed | undefined {
  if (image.kind !== 'vit') return undefined;
  const { tokens, width, mlpWidth, layers } = image;
  const block = tokens * (4 * width ** 2 + 2 * width * mlpWidth) + 2 * tokens ** 2 * width;
  const patches = image.grid ** 2 * 3 * image.patch ** 2 * width;
  const multiplications = (layers * block + patches) / 1e9;
  return CLASSES.find(([, most]) => multiplications <= most)?.[0] ?? 'very slow';
}
