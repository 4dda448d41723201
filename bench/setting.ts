import type { Row } from './report.ts';

/** What every measurement is given. */
export interface Setting {
  /** The random ViT-B/32. */
  readonly model: string;
  readonly photos: readonly string[];
  /** For files that measurements make; kept between runs. */
  readonly cache: string;
  /** Of the processes that are measured: this package's own cache lies in the folder above. */
  readonly env: NodeJS.ProcessEnv;
  readonly threads: number;
  /** Few images and turns: does it run at all. */
  readonly quick: boolean;
}

/** One measurement: some rows of the table. */
export type Measurement = (setting: Setting) => Promise<readonly Row[]>;

/** The command line, as it is installed. */
export const COMMAND = new URL('../bin/clip-classify.js', import.meta.url).pathname;
