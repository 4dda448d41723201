import { createHash } from 'node:crypto';
import { createBreath } from '../embed/encoder.ts';
import type { LabelEncoder, LabelPrompts, LabelRows } from '../embed/labels.ts';
import { rowOf, stack, type UnitRows } from '../tensor.ts';
import type { EmbeddingCache } from './cache.ts';
import type { Entry, Stored } from './segment.ts';

/** From this number on, new labels take minutes to encode. They are then stored in parts, in case the process is killed. */
const MANY = 1_000;

/**
 * Encodes labels. If this model has encoded the prompts of a label before, its embedding comes from disk. If all do, neither the
 * tokenizer nor the text graph is opened.
 *
 * @throws LabelsError as `encodeLabels`
 */
export async function encodeLabelsOnce(
  encodeLabels: LabelEncoder,
  prompts: LabelPrompts,
  cache: EmbeddingCache,
): Promise<LabelRows> {
  const store = await cache.open('labels', { wait: prompts.length >= MANY });
  const keys: Buffer[] = [];
  const found: (Stored | undefined)[] = [];
  const breathe = createBreath();
  for (const texts of prompts) {
    const key = keyOf(texts);
    keys.push(key);
    found.push(store?.get(key));
    await breathe();
  }
  const columns = found.find((one) => one !== undefined)?.embedding.columns;
  const rows = found.map((one) => (one?.embedding.columns === columns ? one?.embedding : undefined));
  const truncated = new Set([...found.keys()].filter((n) => found[n]?.notes[0] === 1));
  const missing = [...rows.keys()].filter((n) => rows[n] === undefined);
  const late: Entry[] = [];
  if (missing.length > 0) {
    const texts = missing.map((n) => prompts[n] ?? []);
    await encodeLabels(texts, (part) => {
      for (let i = 0; i < part.rows.rows; i++) {
        const n = missing[part.first + i] as number;
        const embedding = rowOf(part.rows, i);
        rows[n] = embedding;
        const cut = part.truncated.has(part.first + i);
        if (cut) truncated.add(n);
        const entry: Entry = { key: keys[n] as Buffer, embedding, notes: [cut ? 1 : 0, 0] };
        if (store === undefined) late.push(entry);
        else store.put(entry);
      }
    });
  }
  if (store !== undefined) cache.settle(store.close());
  else if (late.length > 0) cache.settle(keepLate(cache, late));
  return { rows: stack(rows as UnitRows[]), truncated: [...truncated].sort((a, b) => a - b) };
}

/** When a model is used for the first time, its digest may be ready only after the labels are encoded. */
async function keepLate(cache: EmbeddingCache, entries: readonly Entry[]): Promise<void> {
  const store = await cache.open('labels', { wait: true });
  for (const entry of entries) store?.put(entry);
  await store?.close();
}

/** The key of the prompts. JSON makes different lists of texts different. */
function keyOf(texts: readonly string[]): Buffer {
  return createHash('sha256').update(JSON.stringify(texts)).digest();
}
