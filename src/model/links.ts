import { readdir, realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { ModelError, messageOf } from '../errors.ts';

/** The folders of graphs and configs in common layouts: the root, or one level below. */
export const FOLDERS = ['.', 'onnx', 'visual', 'textual', 'vision', 'text'] as const;

/** Notes for people, which are not read. */
const NOTES = /^\.|\.(md|txt)$/iu;

/**
 * Refuses a model folder with a link that leads out of it, so that a downloaded model cannot choose which files are read. Links in the
 * Hub's cache, from a snapshot to the blobs of its repository, are allowed.
 *
 * @throws ModelError naming the link
 */
export async function refuseLinksOut(folder: string): Promise<void> {
  const root = await realpath(folder);
  const blobs = basename(dirname(root)) === 'snapshots' ? [join(dirname(dirname(root)), 'blobs')] : [];
  const isInside = (path: string) => [root, ...blobs].some((one) => path.startsWith(`${one}${sep}`));
  const refuse = async (part: string, name: string) => {
    const path = join(folder, part, name);
    const target = await realpath(path).catch((error: unknown) => {
      throw new ModelError(`${path} is a broken link: ${messageOf(error)}`, 'replace it with the file');
    });
    if (!isInside(target))
      throw new ModelError(`${path} is a link out of the model folder, to ${target}`, 'replace it with the file');
  };
  for (const part of FOLDERS) {
    const entries = await readdir(join(folder, part), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) if (entry.isSymbolicLink() && !NOTES.test(entry.name)) await refuse(part, entry.name);
  }
}
