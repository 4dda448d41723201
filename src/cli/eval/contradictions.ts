import type { Judged } from '../../evaluate.ts';

type JudgedImage = Judged & { readonly key: string };

/** Pairs of images that a warning names. */
const NAMED = 3;

/** Finds copies of a picture in the folders of two classes. Images with the same scores count as copies. */
export class Contradictions {
  private readonly seen = new Map<string, { readonly key: string; readonly truth: string }>();
  private readonly pairs: string[] = [];
  private count = 0;

  /** Passes the images on, and compares them. */
  async *watch<T extends JudgedImage>(judged: AsyncIterable<T>): AsyncGenerator<T> {
    for await (const one of judged) {
      this.look(one);
      yield one;
    }
  }

  private look({ result, truth, key }: JudgedImage): void {
    if (!result.ok || result.labels.length < 2) return;
    const scores = result.labels.map(({ label, score }) => `${label}\t${score}`).join('\n');
    const before = this.seen.get(scores);
    if (before === undefined) this.seen.set(scores, { key, truth });
    else if (before.truth !== truth && this.count++ < NAMED)
      this.pairs.push(`${before.key} (${before.truth}) and ${key} (${truth})`);
  }

  /** In words; undefined if there is none. */
  warning(): string | undefined {
    if (this.count === 0) return undefined;
    const more = this.count > NAMED ? ` and ${this.count - NAMED} more pairs` : '';
    return `the same picture has two labels: ${this.pairs.join(', ')}${more}; remove one of each pair`;
  }
}
