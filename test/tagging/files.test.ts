import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Change, changeSidecar, planRemoval, planTags } from '../../src/tagging/files.ts';
import { tagsFor } from '../../src/tagging/sidecar.ts';

let folder: string;
let picture: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagging-'));
  picture = join(folder, 'one.jpg');
});
afterEach(() => rm(folder, { recursive: true }));

const add = (label: string) => () => planTags(picture, tagsFor([label], undefined), []);
const text = () => readFile(`${picture}.xmp`, 'utf8');

/** A plan that another run is faster than, the first time. */
function late(plan: () => Promise<Change>, other: () => Promise<unknown>): () => Promise<Change> {
  let tries = 0;
  return async () => {
    const change = await plan();
    if (tries++ === 0) await other();
    return change;
  };
}

describe('a sidecar that another run changes at the same time', () => {
  it.each([
    ['is new', async () => {}],
    ['has tags already', () => changeSidecar(add('bird'))],
  ])('keeps the tags of both if it %s', async (_, begin) => {
    await begin();
    const { changed } = await changeSidecar(late(add('cat'), () => changeSidecar(add('dog'))));
    expect(changed.join()).toContain('cat');
    expect(await text()).toMatch(/<rdf:li>dog<[\s\S]*<rdf:li>cat</u);
    expect(await readdir(folder)).toEqual(['one.jpg.xmp']);
  });

  it('keeps what the other added, if this run wanted to remove the file', async () => {
    await changeSidecar(add('cat'));
    await changeSidecar(
      late(
        () => planRemoval(picture),
        () => writeFile(`${picture}.xmp`, USERS),
      ),
    );
    expect(await text()).toBe(USERS);
  });

  it('is left alone if it changes all the time', async () => {
    let n = 0;
    const plan = async () => {
      const change = await add('cat')();
      await writeFile(`${picture}.xmp`, USERS.replace('mine', `mine ${n++}`));
      return change;
    };
    await expect(changeSidecar(plan)).rejects.toThrow('another program keeps changing it');
    expect(await text()).toContain(`mine ${n - 1}`);
    expect(await text()).not.toContain('cat');
  });
});

const USERS = `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:subject><rdf:Bag><rdf:li>mine</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta>
`;
