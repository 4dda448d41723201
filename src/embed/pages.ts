import { countPages } from '../image/pages.ts';
import { type ImageSource, readSource } from '../image/source.ts';

/** One page or frame of an image. */
export interface PageOfImage {
  readonly source: ImageSource;
  /** From 1. */
  readonly page: number;
}

/** Every page of every image, in order. For a URL it is only the first page, because URLs are not downloaded here. */
export async function* pagesOf(
  images: Iterable<ImageSource> | AsyncIterable<ImageSource>,
): AsyncGenerator<PageOfImage> {
  for await (const image of images) {
    if (image.kind === 'url') {
      yield { source: image, page: 1 };
      continue;
    }
    const bytes = await readSource(image).catch(() => undefined); // the encoder reports what is wrong
    const source: ImageSource =
      image.kind === 'stream' && bytes !== undefined ? { ...image, kind: 'bytes', bytes } : image;
    const pages = bytes === undefined ? 1 : countPages(bytes);
    for (let page = 1; page <= pages; page++) yield { source, page };
  }
}
