import { randomBytes } from 'node:crypto';
import type { Embedded } from '../embed/encoder.ts';
import { ImageError } from '../errors.ts';

/** Milliseconds that a picture is kept after its last use. */
const KEPT_MS = 3_600_000;

type Good = Embedded & { readonly ok: true };

/**
 * Keeps the embeddings of pictures that were sent once, so that new labels cost no inference. The pictures themselves are not
 * kept. An embedding has a fixed size, so the number bounds the bytes too.
 */
export class Pictures {
  /** Least recently used first. */
  private readonly kept = new Map<string, { readonly embedded: Good; readonly usedAt: number }>();

  /** @param most pictures; @param now milliseconds */
  constructor(
    private readonly most: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get count(): number {
    return this.kept.size;
  }

  /** @returns an id that nobody can guess */
  keep(embedded: Good): string {
    const id = randomBytes(16).toString('base64url');
    this.use(id, embedded);
    for (const [oldest, { usedAt }] of this.kept) {
      if (this.kept.size <= this.most && this.now() - usedAt < KEPT_MS) break;
      this.kept.delete(oldest);
    }
    return id;
  }

  /** A picture that is no longer kept is a bad image. */
  find(id: string): Embedded {
    const found = this.kept.get(id);
    if (found !== undefined && this.now() - found.usedAt < KEPT_MS) {
      this.use(id, found.embedded);
      return found.embedded;
    }
    this.kept.delete(id);
    const error = new ImageError('E_NOT_FOUND', 'the picture is no longer kept', 'send the picture again');
    return { ok: false, image: id.slice(0, 32), error };
  }

  private use(id: string, embedded: Good): void {
    this.kept.delete(id);
    this.kept.set(id, { embedded, usedAt: this.now() });
  }
}
