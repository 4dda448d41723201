import type * as Decode from '../src/image/decode.ts';
import type * as Preprocess from '../src/image/preprocess.ts';
import type * as Library from '../src/index.ts';
import type * as Description from '../src/model/describe.ts';

// What is measured is what is shipped, dist/; the types are those of the sources that it is built from.
const built = (path: string): Promise<unknown> => import(new URL(`../dist/${path}`, import.meta.url).href);

export const library = () => built('index.js') as Promise<typeof Library>;
export const decoding = () => built('image/decode.js') as Promise<typeof Decode>;
export const preprocessing = () => built('image/preprocess.js') as Promise<typeof Preprocess>;
export const describing = () => built('model/describe.js') as Promise<typeof Description>;
