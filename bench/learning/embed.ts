// The embeddings of labelled sets, through the product, for bench/learning/draws.ts and bench/peers/few_shot.py.
//
//     tsx bench/learning/embed.ts ../shared/training /tmp/few-shot
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { argv, stderr } from 'node:process';
import { fileURLToPath } from 'node:url';
import { loadModel } from '../../src/index.ts';
import { expandTemplates, promptsOf } from '../../src/text/prompts.ts';
import { type Embeddings, writeEmbeddings } from './embeddings.ts';
import { labelledSets } from './packs.ts';

const [, , packs = '../shared/training', output = '/tmp/few-shot'] = argv;
await mkdir(output, { recursive: true });
const clip = await loadModel('starter');
const templates = expandTemplates(['photo']);
const names: string[] = [];
for await (const { name, classes, labels, files } of labelledSets(
  packs,
  fileURLToPath(new URL('../../models/starter', import.meta.url)),
)) {
  const { rows } = await clip.encodeLabels(classes.map((label) => promptsOf({ label }, templates)));
  const pictures = new Float32Array(labels.length * rows.columns);
  let n = 0;
  for await (const one of clip.encodeImages(files)) {
    if (!one.ok) throw one.error;
    pictures.set(one.embedding.data, n++ * rows.columns);
  }
  const set: Embeddings = {
    name,
    classes,
    labels,
    width: rows.columns,
    logitScale: clip.logitScale,
    words: rows.data,
    pictures,
  };
  await writeEmbeddings(output, set);
  names.push(name);
  stderr.write(`${name}: ${classes.length} classes, ${labels.length} pictures\n`);
}
await writeFile(join(output, 'sets.json'), JSON.stringify(names));
await clip.release();
