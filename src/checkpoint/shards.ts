import { join } from 'node:path';
import { ModelError } from '../errors.ts';
import { readModelJson } from './config.ts';
import { Checkpoint, isRecord, readCheckpoint } from './safetensors.ts';

/**
 * Reads the index of a sharded checkpoint: model.safetensors.index.json contains the file of each tensor. Nothing is copied.
 *
 * @throws ModelError if the index or a file is missing or damaged, or they contradict each other
 */
export async function readShards(folder: string, index: string): Promise<Checkpoint> {
  const { weight_map: map } = await readModelJson(folder, index);
  const wrong = (what: string) => new ModelError(`${join(folder, index)} ${what}`, 'fetch the checkpoint again');
  if (!isRecord(map)) throw wrong('has no weight_map');
  const names = [...new Set(Object.values(map))];
  const isFile = (name: unknown): name is string => typeof name === 'string' && /^[^/\\]+\.safetensors$/u.test(name);
  if (names.length === 0 || !names.every(isFile)) throw wrong('does not name the files of the tensors');
  const shards = await Promise.all(names.sort().map((name) => readCheckpoint(join(folder, name))));
  const [first] = shards as [Checkpoint, ...Checkpoint[]];
  if (shards.some((shard) => shard.folder !== first.folder)) throw wrong('names files that lie in different folders');
  const entries = shards.flatMap((shard) =>
    [...shard.tensors.values()].map((entry) => (shard === first ? entry : { ...entry, shard: shard.location })),
  );
  const tensors = new Map(entries.map((entry) => [entry.name, entry]));
  const missing = Object.keys(map).find((name) => !tensors.has(name));
  if (missing !== undefined) throw wrong(`names the tensor ${missing}, which is in none of its files`);
  const header = Buffer.concat(shards.map((shard) => shard.header));
  return new Checkpoint(
    first.file,
    tensors,
    header,
    shards.map(({ file }) => file),
  );
}
