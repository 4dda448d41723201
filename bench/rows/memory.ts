import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { manyNames } from '../photos.ts';
import { residentMemory } from '../processes.ts';
import { COMMAND, type Measurement } from '../setting.ts';

const SAMPLE_MS = 250;

/** Whether memory grows with the number of images: the command line over hard links, the starter, all its processes. */
export const memory: Measurement = async ({ photos, cache, env, quick }) => {
  const count = quick ? 400 : 20_000;
  const folder = join(cache, `names-${count}`);
  await manyNames(photos, count, folder);
  const child = spawn(execPath, [COMMAND, folder, '-l', 'cat,dog', '-m', 'starter', '-f', 'label'], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(child, 'exit');
  let done = 0;
  child.stdout.on('data', (text: Buffer) => {
    for (const byte of text) if (byte === 10) done++;
  });
  const points: { images: number; megabytes: number }[] = [];
  const sampling = setInterval(async () => {
    const images = done;
    const megabytes = await residentMemory(child.pid as number);
    if (child.exitCode === null) points.push({ images, megabytes });
  }, SAMPLE_MS);
  await ended;
  clearInterval(sampling);
  if (done !== count) throw new Error(`${done} rows for ${count} images`);
  const late = points.filter(({ images }) => images >= count / 4);
  const peak = Math.max(...points.map(({ megabytes }) => megabytes));
  return [
    {
      what: `resident memory over ${count} images, MB per 10,000 after the first quarter`,
      asked: { atMost: 5 },
      reached: slope(late) * 10_000,
      detail: `${late.length} samples, ${late[0]?.megabytes.toFixed(0)} MB to ${late.at(-1)?.megabytes.toFixed(0)} MB, peak ${peak.toFixed(0)} MB`,
    },
  ];
};

/** Least squares, in MB per image. */
function slope(points: readonly { readonly images: number; readonly megabytes: number }[]): number {
  const x = points.reduce((sum, { images }) => sum + images, 0) / points.length;
  const y = points.reduce((sum, { megabytes }) => sum + megabytes, 0) / points.length;
  const covariance = points.reduce((sum, point) => sum + (point.images - x) * (point.megabytes - y), 0);
  return covariance / points.reduce((sum, { images }) => sum + (images - x) ** 2, 0);
}
