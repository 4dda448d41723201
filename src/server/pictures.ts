import { randomBytes } from 'node:crypto';
import type { Embedded } from '../embed/encoder.ts';
import { ImageError } from '../errors.ts';
import { BoundedMap } from './bounded-map.ts';

/** A picture that is not asked about for so long is forgotten, in milliseconds. */
const KEPT_MS = 3_600_000;

/** Embeddings of pictures that were sent once, so that new labels cost no inference. The pictures themselves are not kept. */
export class Pictures {
  private readonly kept: BoundedMap<string, { readonly embedded: Embedded & { ok: true }; until: number }>;

  constructor(
    most: number,
    private readonly now: () => number = Date.now,
  ) {
    this.kept = new BoundedMap(most);
  }

  /** @returns the number that the picture is asked about by; nobody can guess it */
  keep(embedded: Embedded & { ok: true }): string {
    const id = randomBytes(16).toString('base64url');
    this.kept.set(id, { embedded, until: this.now() + KEPT_MS });
    return id;
  }

  /** A picture that is no longer kept is a bad image. */
  find(id: string): Embedded {
    const kept = this.kept.get(id);
    if (kept === undefined || kept.until < this.now()) {
      this.kept.delete(id);
      const error = new ImageError('E_NOT_FOUND', 'the picture is no longer kept', 'send the picture again');
      return { ok: false, image: id.slice(0, 32), error };
    }
    kept.until = this.now() + KEPT_MS;
    return kept.embedded;
  }
}
