import type { Architecture, ModifiedResNet, VisionTransformer } from '../checkpoint/architecture.ts';

/** Speed class compared with other models: a ViT-B/32 is fast, a ViT-L/14 slow. */
export type Speed = 'very fast' | 'fast' | 'medium' | 'slow' | 'very slow';

/** The most multiplications of an image, in thousands of millions, for each class. A ViT-B/32 has 4.3, a ViT-L/14 81. */
const CLASSES: readonly (readonly [Speed, number])[] = [
  ['very fast', 2],
  ['fast', 8],
  ['medium', 30],
  ['slow', 120],
];

/** The speed class of an image encoder; undefined for a kind whose multiplications are not counted. */
export function speedOf({ image }: Architecture): Speed | undefined {
  if (image.kind !== 'vit' && image.kind !== 'resnet') return undefined;
  const multiplications = (image.kind === 'vit' ? ofTransformer(image) : ofResNet(image)) / 1e9;
  return CLASSES.find(([, most]) => multiplications <= most)?.[0] ?? 'very slow';
}

function ofTransformer({ tokens, width, mlpWidth, layers, grid, patch }: VisionTransformer): number {
  const block = tokens * (4 * width ** 2 + 2 * width * mlpWidth) + 2 * tokens ** 2 * width;
  return layers * block + grid ** 2 * 3 * patch ** 2 * width;
}

/** Convolutions alone: those of the stem on half of the side, and four layers, each of which halves the side in its first block. */
function ofResNet({ imageSize, width, layers }: ModifiedResNet): number {
  let multiplications = (imageSize / 2) ** 2 * 9 * ((3 * width) / 2 + width ** 2 / 4 + width ** 2 / 2);
  let inputs = width;
  for (const [n, blocks] of layers.entries()) {
    const narrow = width * 2 ** n;
    const cells = (imageSize / (4 * 2 ** n)) ** 2;
    const before = n === 0 ? cells : 4 * cells;
    multiplications += before * (inputs * narrow + 9 * narrow ** 2) + cells * 4 * narrow * (narrow + inputs);
    multiplications += (blocks - 1) * cells * 17 * narrow ** 2;
    inputs = 4 * narrow;
  }
  return multiplications;
}
