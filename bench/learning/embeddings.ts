import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The unit embeddings of a labelled set. */
export interface Embeddings {
  readonly name: string;
  readonly classes: readonly string[];
  /** [N] */
  readonly labels: readonly number[];
  /** D */
  readonly width: number;
  readonly logitScale: number;
  /** [C, D] */
  readonly words: Float32Array;
  /** [N, D] */
  readonly pictures: Float32Array;
}

/** The start of the names of a set's files. */
function base(folder: string, name: string): string {
  return join(folder, name.replace(/[^a-z0-9]+/giu, '-'));
}

/** `NAME.json`, and `NAME.words.f32` and `NAME.pictures.f32`: little-endian float32, row after row. */
export async function writeEmbeddings(folder: string, { words, pictures, ...facts }: Embeddings): Promise<void> {
  const path = base(folder, facts.name);
  await writeFile(`${path}.words.f32`, words);
  await writeFile(`${path}.pictures.f32`, pictures);
  await writeFile(`${path}.json`, JSON.stringify(facts));
}

export async function readEmbeddings(folder: string, name: string): Promise<Embeddings> {
  const path = base(folder, name);
  const floats = async (file: string) => new Float32Array((await readFile(file)).buffer.slice(0));
  return {
    ...(JSON.parse(await readFile(`${path}.json`, 'utf8')) as Omit<Embeddings, 'words' | 'pictures'>),
    words: await floats(`${path}.words.f32`),
    pictures: await floats(`${path}.pictures.f32`),
  };
}
