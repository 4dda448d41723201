import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HUNDRED_LABELS, TEMPLATE, THOUSAND_LABELS, TWO_LABELS } from '../labels.ts';
import { library } from '../library.ts';
import { openClipWeights, PEER_SCRIPTS, type PeerSetup, PythonSide, peerPython } from '../peers/python.ts';
import { largePhotos, repeated } from '../photos.ts';
import { Side } from '../processes.ts';
import { type Row, ratioRow } from '../report.ts';
import type { Measurement, Setting } from '../setting.ts';
import type { OursSetup } from '../sides/ours.ts';
import type { Tasks } from '../sides/task.ts';
import type { TransformersSetup } from '../sides/transformers.ts';
import { inTurn, ratioOf } from '../statistics.ts';

const BATCH = 8;

/** The goals: the time of a peer ÷ our time is at least this number. */
const GOALS: Readonly<Record<string, number>> = {
  'small, open_clip': 2.25,
  'large, open_clip': 3,
  'hundred, transformers.js': 10,
  'thousand, transformers.js': 80,
};

const TITLES: Readonly<Record<string, string>> = {
  small: 'small photographs, 2 labels',
  large: 'photographs of 12 megapixels, 2 labels',
  hundred: '100 new labels',
  thousand: '1,000 new labels',
  known: '100 new labels on cached images',
};

/** Many images and two labels next to every peer that installs without a hub: models open and warm, the same weights and files, in turn. */
export const peers: Measurement = (setting) => beside(['small', 'large'], setting);

/** The same with many labels, which peers encode again. */
export const manyLabels: Measurement = async (setting) => beside(['hundred', 'thousand', 'known'], setting);

async function beside(
  names: readonly string[],
  { model, photos, cache, env, threads, quick }: Setting,
): Promise<Row[]> {
  const python = await peerPython(cache, env);
  const large = await largePhotos(photos, cache);
  const many = quick ? 8 : 96;
  const count = (name: string, peer: string) => {
    const each = { small: many, large: quick ? 4 : 24, hundred: many, thousand: many, known: many }[name] ?? many;
    // These peers encode the labels again for every image, which takes seconds.
    const isSlow = peer.startsWith('transformers') && name !== 'small' && name !== 'large';
    return isSlow ? (name === 'thousand' ? 1 : quick ? 1 : 4) : each;
  };
  const tasksOf = (peer: string, names: readonly string[]): Tasks =>
    Object.fromEntries(
      names.map((name) => [
        name,
        {
          photos: repeated(name === 'large' ? large : photos, count(name, peer)),
          labels: { small: TWO_LABELS, large: TWO_LABELS, thousand: THOUSAND_LABELS }[name] ?? HUNDRED_LABELS,
        },
      ]),
    );
  const encoded = names.filter((name) => name !== 'known');
  const own = { ...env, CLIP_CLASSIFY_CACHE: join(cache, 'own-peers') };
  await rm(own.CLIP_CLASSIFY_CACHE, { recursive: true, force: true });
  const options = { threads, batch: BATCH, isolate: true };
  const ours = (setup: Partial<OursSetup>) =>
    Side.open('ours.ts', { folder: model, options, tasks: tasksOf('', encoded), newLabels: true, ...setup }, own);
  const setup = (peer: string): PeerSetup => ({
    folder: model,
    openClip,
    template: TEMPLATE,
    tasks: tasksOf(peer, encoded),
    compared: photos.slice(0, 8),
    batch: BATCH,
    threads,
    workers: Math.max(1, threads - 1),
  });
  const openClip = await openClipWeights(python, model);
  const js: TransformersSetup = { folder: model, tasks: tasksOf('transformers.js', encoded) };
  const sides: Record<string, Side | PythonSide> = {
    'transformers.js': await Side.open('transformers.ts', js, env),
  };
  for (const [peer, script] of Object.entries(PEER_SCRIPTS)) {
    sides[peer] = await PythonSide.open(python, script, setup(peer), env);
  }
  const us = await ours({});
  const known = { tasks: tasksOf('', ['known']), options: { ...options, cacheImages: true } };
  const knowing = names.includes('known') ? await ours(known) : us;
  const rows: Row[] = [];
  for (const name of names) {
    // Peers do not cache images, so they encode them again.
    const asked = name === 'known' ? 'hundred' : name;
    const turns = quick ? 1 : name === 'thousand' ? 3 : 5;
    const took = await inTurn<string>(
      {
        ours: async () => (await (name === 'known' ? knowing : us).work(name)) / count(name, ''),
        ...Object.fromEntries(
          Object.entries(sides).map(([peer, side]) => [
            peer,
            async () => (await side.work(asked)) / count(asked, peer),
          ]),
        ),
      },
      turns,
      name === 'thousand' ? 0 : 1,
    );
    for (const peer of Object.keys(sides)) {
      const goal = GOALS[`${name}, ${peer}`];
      const what = `${TITLES[name]}: ${peer} ÷ ours`;
      rows.push(
        ratioRow(
          what,
          goal === undefined ? undefined : { atLeast: goal },
          ratioOf(took[peer] ?? [], took['ours'] ?? []),
        ),
      );
    }
  }
  rows.push(...(await likeness(model, photos.slice(0, 8), sides)));
  for (const side of [...Object.values(sides), ...new Set([us, knowing])]) await side.close();
  return rows;
}

/** Checks that all sides compute the same: the lowest cosine between their embeddings and ours. */
async function likeness(
  model: string,
  photos: readonly string[],
  sides: Readonly<Record<string, Side | PythonSide>>,
): Promise<Row[]> {
  const { loadModel } = await library();
  const clip = await loadModel(model, { provider: 'cpu' });
  const ours: Float32Array[] = [];
  for await (const one of clip.encodeImages(photos)) if (one.ok) ours.push(Float32Array.from(one.embedding.data));
  await clip.release();
  const rows: Row[] = [];
  for (const [peer, side] of Object.entries(sides)) {
    if (!(side instanceof PythonSide)) continue;
    const theirs = await side.embeddings();
    const cosines = ours.map((row, n) =>
      row.reduce((sum, value, i) => sum + value * (theirs[n]?.[i] ?? Number.NaN), 0),
    );
    const versions = Object.entries(side.versions).map((one) => one.join(' '));
    rows.push({
      what: `${peer}: lowest cosine of its embeddings and ours, ${photos.length} photographs`,
      reached: Math.min(...cosines),
      detail: versions.join(', '),
    });
  }
  return rows;
}
