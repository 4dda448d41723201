import { createHash } from 'node:crypto';
import { type Classifier, type ClassifierOptions, createClassifier } from '../classifier.ts';
import type { Clip } from '../clip.ts';
import { Lock } from '../embed/held.ts';
import type { LabelPrompts, LabelRows } from '../embed/labels.ts';
import { isLearned, type Learned } from '../learn/learned.ts';
import { rowOf, stack, type UnitRows } from '../tensor.ts';
import type { Label } from '../text/labels.ts';
import { BoundedMap } from './bounded-map.ts';
import { busy, tooLarge } from './problems.ts';

/** The most classifiers that are kept. */
const SETS = 64;
/** The most prompts per label on average. */
const PROMPTS_PER_LABEL = 10;

interface KeptRow {
  readonly row: UnitRows;
  readonly truncated: boolean;
}

/** A classifier and the warnings about its labels. */
export interface LabelSet {
  readonly classifier: Classifier;
  readonly warnings: readonly string[];
}

/** Keeps the embeddings of labels, so that a label in many requests is encoded once. */
export class LabelMemory {
  private readonly rows: BoundedMap<string, KeptRow>;
  private readonly sets = new BoundedMap<string, Promise<LabelSet>>(SETS);
  private readonly lock = new Lock();
  private readonly mostPrompts: number;
  private waiting = 0;

  /**
   * @param encode encodes the prompts of new labels
   * @param most the most rows to keep
   * @param labels the most labels of one request
   */
  constructor(
    private readonly encode: (prompts: LabelPrompts) => Promise<LabelRows>,
    most: number,
    labels: number,
  ) {
    this.rows = new BoundedMap(most);
    this.mostPrompts = labels * PROMPTS_PER_LABEL;
  }

  /** The classifier of some labels. @throws LabelsError, UsageError; Problem 413 or 429 */
  classifier(
    clip: Clip,
    labels: readonly (string | Label)[] | Learned,
    options: ClassifierOptions,
    isOwn = false,
  ): Promise<LabelSet> {
    const key = keyOf([isLearned(labels) ? 'learned' : labels, options]); // a service has one learned classifier at most
    const kept = this.sets.get(key);
    if (kept !== undefined) return kept;
    const made = this.create(clip, labels, options, isOwn);
    this.sets.set(key, made);
    made.catch(() => this.sets.delete(key));
    return made;
  }

  /** `Clip.encodeLabels` for labels that are not kept. @throws LabelsError; Problem 413 or 429 */
  async encodeLabels(prompts: LabelPrompts, isOwn = false): Promise<LabelRows> {
    const count = prompts.reduce((sum, { length }) => sum + length, 0);
    if (!isOwn && count > this.mostPrompts)
      throw tooLarge(
        `the labels have ${count} prompts; the limit is ${this.mostPrompts}: use fewer labels or templates`,
      );
    const keys = prompts.map(keyOf);
    const kept = keys.map((key) => this.rows.get(key));
    const missing = keys.flatMap((_, n) => (kept[n] === undefined ? [n] : []));
    if (missing.length > 0) {
      const encoded = await this.encodeInTurn(missing.map((n) => prompts[n] ?? []));
      const truncated = new Set(encoded.truncated);
      for (const [i, n] of missing.entries()) {
        const one = { row: rowOf(encoded.rows, i), truncated: truncated.has(i) };
        kept[n] = one;
        this.rows.set(keys[n] as string, one);
      }
    }
    const rows = kept as KeptRow[];
    return {
      rows: stack(rows.map(({ row }) => row)),
      truncated: rows.flatMap((row, n) => (row.truncated ? [n] : [])),
    };
  }

  private async create(
    clip: Clip,
    labels: readonly (string | Label)[] | Learned,
    options: ClassifierOptions,
    isOwn: boolean,
  ): Promise<LabelSet> {
    const warnings: string[] = [];
    const encodeLabels = (prompts: LabelPrompts) => this.encodeLabels(prompts, isOwn);
    const onWarning = (warning: string) => warnings.push(warning);
    return {
      classifier: await createClassifier({ ...clip, encodeLabels }, labels, { ...options, onWarning }),
      warnings,
    };
  }

  /** @throws Problem 429 if too many texts wait already */
  private async encodeInTurn(prompts: LabelPrompts): Promise<LabelRows> {
    const count = prompts.reduce((sum, { length }) => sum + length, 0);
    if (this.waiting > 0 && this.waiting + count > 2 * this.mostPrompts)
      throw busy('too many labels wait to be encoded');
    this.waiting += count;
    const release = await this.lock.lock();
    try {
      return await this.encode(prompts);
    } finally {
      release();
      this.waiting -= count;
    }
  }
}

function keyOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64');
}
