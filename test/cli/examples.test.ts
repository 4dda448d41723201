import { copyFile, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LoopbackHub, repositoryOf, startHub } from '../hub/server.ts';
import { fixture } from '../paths.ts';
import { commandLines, examplesOf, helpOf, wordsOf } from './command-lines.ts';
import { cli } from './io.ts';

/** What the examples name: pictures of two kinds, lists, a classifier, and a hub that has one of the models. */
let folder: string;
let hub: LoopbackHub;
const before = process.cwd();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'examples-'));
  const put = async (image: string, ...path: string[]) => {
    await mkdir(join(folder, ...path.slice(0, -1)), { recursive: true });
    await copyFile(fixture(`images/${image}`), join(folder, ...path));
  };
  await put('rgb.png', 'photo.jpg');
  for (const at of ['photos', 'more'])
    for (const n of [1, 2, 3]) {
      await put('bilevel.png', at, 'good', `${n}.png`);
      await put('turned.jpg', at, 'bad', `${n}.jpg`);
    }
  for (const at of ['holiday', 'new']) await put('rgb.png', at, '1.png');
  await writeFile(join(folder, 'labels.txt'), 'sea\nmountain\n');
  await writeFile(join(folder, 'truth.csv'), 'path,label\nphoto.jpg,sea\nholiday/1.png,mountain\n');
  await cp(fixture('tiny-class'), join(folder, 'clip-vit-base-patch32'), { recursive: true });
  const tiny = repositoryOf(fixture('tiny-class'));
  hub = await startHub({ 'my-org/my-clip': { ...tiny, branch: 'v1' } });
  process.chdir(folder);
  await example(['models', 'import', 'clip-vit-base-patch32', '--name', 'my-clip']);
});
afterAll(async () => {
  process.chdir(before);
  await hub.close();
  await rm(folder, { recursive: true });
});

/** Models that the loopback hub does not have: the command says so, and which model. */
const OF_THE_REAL_HUB = /^models (pull (ViT|laion)|(use|verify|rm|path) clip-)/u;
/** What `serve` prints when it is ready. It would run until it is interrupted. */
const SERVES = /^.* answers at /u;

function example(words: readonly string[]) {
  const own = words.map((word) => (word.startsWith('/run/user/') ? join(folder, 'clip.sock') : word));
  return cli(own, {
    env: {
      CLIP_CLASSIFY_CACHE: join(folder, 'cache'),
      HF_HOME: join(folder, 'hub'),
      HF_ENDPOINT: hub.endpoint,
      ...(words[0] !== 'models' && { CLIP_CLASSIFY_MODEL: fixture('tiny-class') }),
    },
    until: SERVES,
  });
}

describe('the examples of the help', () => {
  it.each(commandLines)('of "%s" run', async (line) => {
    for (const text of examplesOf(await helpOf(line === '' ? [] : line.split(' ')))) {
      const words = wordsOf(text);
      const { code, stderr } = await example(words);
      const command = words.join(' ');
      if (OF_THE_REAL_HUB.test(command))
        expect([command, stderr]).toEqual([command, expect.stringMatching(/E_(HUB|MODEL)/u)]);
      else if (/^labels lint/u.test(command)) expect([command, code]).toEqual([command, expect.toBeOneOf([0, 1])]);
      else expect([command, code, stderr]).toEqual([command, 0, expect.any(String)]);
    }
  });
});
