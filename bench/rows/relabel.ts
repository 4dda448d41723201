import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { wholeProcess } from '../processes.ts';
import { ratioRow } from '../report.ts';
import { COMMAND, type Measurement } from '../setting.ts';
import { ratioOf } from '../statistics.ts';

const RELABELLINGS = 5;

/**
 * A folder of images classified once, which encodes them, and again with new labels, which reads their embeddings from the cache:
 * whole processes. Images are known by their content, so each has a few bytes of its own behind the end of its JPEG.
 */
export const relabelling: Measurement = async ({ model, photos, cache, env, quick }) => {
  const count = quick ? 40 : 10_000;
  const folder = join(cache, `own-bytes-${count}`);
  await differentPhotos(photos, count, folder);
  const own = { ...env, CLIP_CLASSIFY_CACHE: join(cache, 'own-relabel') };
  await rm(own.CLIP_CLASSIFY_CACHE, { recursive: true, force: true });
  const classify = (...labels: string[]) =>
    wholeProcess([COMMAND, folder, '-m', model, '-l', labels.join(','), '-f', 'label', '--cache-images'], own);
  const encode = classify('cat', 'dog');
  const relabel: number[] = [];
  for (let turn = 0; turn < RELABELLINGS; turn++) relabel.push(classify(`cat ${turn}`, `dog ${turn}`));
  await rm(own.CLIP_CLASSIFY_CACHE, { recursive: true, force: true });
  const encodes = relabel.map(() => encode);
  return [
    ratioRow(
      `${count} cached images, new labels: encode ÷ relabel`,
      { atLeast: 200 },
      ratioOf(encodes, relabel),
      'encoded once',
    ),
  ];
};

async function differentPhotos(photos: readonly string[], count: number, folder: string): Promise<void> {
  if (
    await access(folder).then(
      () => true,
      () => false,
    )
  )
    return;
  const beside = `${folder}.${Date.now()}`;
  await mkdir(beside, { recursive: true });
  const bytes = await Promise.all(photos.map((photo) => readFile(photo)));
  for (let n = 0; n < count; n++) {
    const own = Buffer.concat([bytes[n % bytes.length] ?? Buffer.alloc(0), Buffer.from(`#${n}`)]);
    await writeFile(join(beside, `${String(n).padStart(6, '0')}.jpg`), own);
  }
  await rename(beside, folder);
}
