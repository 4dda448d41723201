import { mkdir } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { env, exit, stderr, stdout, version } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { randomVitB32 } from './model/folder.ts';
import { findPhotos } from './photos.ts';
import { table } from './report.ts';
import { cores } from './rows/cores.ts';
import { int8 } from './rows/int8.ts';
import { largeImages } from './rows/large.ts';
import { learning } from './rows/learn.ts';
import { memory } from './rows/memory.ts';
import { oneImage } from './rows/one-image.ts';
import { manyLabels, peers } from './rows/peers.ts';
import { perImage } from './rows/per-image.ts';
import { relabelling } from './rows/relabel.ts';
import { resampling } from './rows/resample.ts';
import type { Measurement, Setting } from './setting.ts';

const MEASUREMENTS: Readonly<Record<string, Measurement>> = {
  int8,
  'per-image': perImage,
  'one-image': oneImage,
  large: largeImages,
  peers,
  labels: manyLabels,
  cores,
  resample: resampling,
  memory,
  relabel: relabelling,
  learn: learning,
};

const USAGE = `npm run bench -- [folder of photographs] [--quick] [--only ${Object.keys(MEASUREMENTS).join('|')}]\n`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: Object.keys(MEASUREMENTS) },
    help: { type: 'boolean', default: false },
  },
});
if (values.help || positionals.length > 1 || values.only.some((name) => !(name in MEASUREMENTS))) {
  stderr.write(USAGE);
  exit(values.help ? 0 : 2);
}

const repository = fileURLToPath(new URL('..', import.meta.url));
const cache = join(tmpdir(), 'clip-classify-bench');
await mkdir(cache, { recursive: true });
const given =
  positionals[0] === undefined ? [join(repository, '../shared/photos'), join(repository, 'examples')] : positionals;
const setting: Setting = {
  model: await randomVitB32(cache, join(repository, 'test/fixtures/tiny-class')),
  photos: await findPhotos(given),
  cache,
  env: { ...env, CLIP_CLASSIFY_CACHE: join(cache, 'own'), CLIP_CLASSIFY_MODEL: '' },
  threads: availableParallelism(),
  quick: values.quick,
};
stdout.write(
  `${cpus()[0]?.model}, ${setting.threads} threads, Node ${version}; ${setting.photos.length} photographs\n` +
    'ViT-B/32 with random weights, a tokenizer of 49,408 made-up tokens, the same files for both sides\n\n',
);
for (const name of values.only) {
  stderr.write(`${name} …\n`);
  stdout.write(`${table((await MEASUREMENTS[name]?.(setting)) ?? [])}\n\n`);
}
