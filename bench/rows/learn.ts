import { cpuUsage, resourceUsage } from 'node:process';
import { learnEmbedded } from '../../src/learn/learn.ts';
import { l2Normalize, row } from '../../src/tensor.ts';
import { madeUpPictures } from '../../test/learn/examples.ts';
import type { Measurement } from '../setting.ts';

const CLASSES = 100;
const WIDTH = 512;

/** Learning once embeddings are there: made-up unit rows around one centre for each class, and words near the centres. */
export const learning: Measurement = async ({ quick }) => {
  const each = quick ? 10 : 100;
  const { pictures, classes } = madeUpPictures(new Array(CLASSES).fill(each), WIDTH, 1, 3);
  const words = madeUpPictures(new Array(CLASSES).fill(1), WIDTH, 1, 2).pictures;
  const clip = {
    name: 'made up',
    logitScale: 100,
    digest: async () => 'made up',
    encodeLabels: async () => ({ rows: words, truncated: [] }),
  };
  async function* examples() {
    for (const [n, c] of classes.entries()) {
      const embedding = l2Normalize({ rows: 1, columns: WIDTH, data: row(pictures, n).slice() });
      yield { embedded: { ok: true, image: `${n}`, embedding } as const, label: `class ${String(c).padStart(3, '0')}` };
    }
  }
  const [start, before] = [performance.now(), cpuUsage()];
  const { leftOut, learned } = await learnEmbedded(clip, examples());
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = cpuUsage(before);
  const peak = resourceUsage().maxRSS / 1024;
  return [
    {
      what: `learn from ${CLASSES} × ${each} embeddings of width ${WIDTH}, seconds`,
      asked: { atMost: 3 },
      reached: seconds,
      detail: `${((user + system) / 1e6).toFixed(2)} s of processor time, peak memory of the process ${peak.toFixed(0)} MB; leave-one-out ${leftOut?.learned.accuracy.toFixed(3)}, weights ${learned.weights.words.toFixed(3)} and ${learned.weights.pictures.toFixed(4)}`,
    },
  ];
};
