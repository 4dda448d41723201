import { type ImageError, plain } from '../errors.ts';
import type { ResultWriter } from './writer.ts';

/** How matching paths are written. */
export interface PathStyle {
  /** After each path a zero byte instead of a line end, for `xargs -0`. */
  readonly print0: boolean;
  /** Whether people read them: control characters are shown as such. */
  readonly terminal: boolean;
  /** Told about images that failed, for there is no row to tell. */
  readonly onError: (error: ImageError) => void;
}

/** The paths of the images with one label, as they were given or, where they are no UTF-8, as the bytes that they are. */
export function matchWriter(label: string, { print0, terminal, onError }: PathStyle): ResultWriter {
  const end = print0 ? '\0' : '\n';
  return {
    begin: () => '',
    row(result) {
      if (!result.ok) onError(result.error);
      if (!result.ok || result.label !== label) return '';
      if (terminal) return plain(result.image) + end;
      return Buffer.concat([Buffer.from(result.pathBytes ?? result.image), Buffer.from(end)]);
    },
    end: () => '',
  };
}
