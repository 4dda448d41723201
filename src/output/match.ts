import { type ImageError, plain } from '../errors.ts';
import type { ResultWriter } from './writer.ts';

/** How matching paths are written. */
export interface PathStyle {
  /** End each path with NUL instead of a newline, for `xargs -0`. */
  readonly print0: boolean;
  /** Whether the paths go to a terminal: control characters are then replaced. */
  readonly terminal: boolean;
  /** Called for images that failed, because this output has no error rows. */
  readonly onError: (error: ImageError) => void;
}

/** The paths of the images with one label. A path that is not valid UTF-8 is written as its bytes. */
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
