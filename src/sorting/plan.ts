import { lstat, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { openable, type Path } from '../inputs/path.ts';
import { Companions, isRaw, partsOf } from './companions.ts';
import { folderNameOf, folderNames, NO_LABEL } from './folder-name.ts';
import type { Operation, Transfer } from './manifest.ts';
import { compareAt, type FileFacts, factsOf } from './same-file.ts';

/** A picture and its label. */
export interface Labelled {
  /** Absolute. */
  readonly path: Path;
  /** null: no label was accepted */
  readonly label: string | null;
}

/** The step for one file. */
export type Step =
  | {
      readonly kind: 'transfer';
      readonly label: string | null;
      readonly transfer: Transfer;
      /** The picture that this file belongs to; undefined for a picture. */
      readonly picture?: Path;
    }
  /** `skip`: the target already has the same content; `stay`: the file is not moved. */
  | { readonly kind: 'skip' | 'stay'; readonly label: string | null; readonly from: Path; readonly why: string };

export interface PlanOptions {
  /** Absolute. */
  readonly target: Path;
  readonly operation: Operation;
  /** Whether pictures without a label are not moved. */
  readonly leave: boolean;
  readonly labels: readonly string[];
}

/** Pictures that share a folder and a stem, such as a RAW file and its JPEG. */
interface Group {
  readonly pictures: readonly Path[];
  readonly label: string | null;
  readonly companions: readonly Path[];
}

/**
 * Decides where each file goes. Nothing is overwritten: identical content is skipped, another file with the same name gets
 * `-1`. Files that belong to a picture go with it under the same stem.
 *
 * @throws LabelsError as folderNames()
 */
export async function* planSteps(pictures: readonly Labelled[], options: PlanOptions): AsyncGenerator<Step> {
  const folders = folderNames(options.labels);
  const taken = new Map<Path, FileFacts>();
  for await (const group of groupsOf(pictures)) {
    if ('stay' in group) {
      yield { kind: 'stay', label: null, from: group.stay, why: group.why };
      continue;
    }
    const { label } = group;
    // The picture goes last: if a run is killed between them, the next run finds the picture and completes the group.
    const files = [...group.companions, ...[...group.pictures].reverse()];
    if (label === null && options.leave) {
      for (const from of files) yield { kind: 'stay', label, from, why: 'no label' };
      continue;
    }
    const folder = label === null ? NO_LABEL : (folders.get(label) ?? folderNameOf(label));
    yield* stepsOf(files, group.pictures[0] as Path, folder, label, options, taken);
  }
}

async function* stepsOf(
  files: readonly Path[],
  picture: Path,
  folder: string,
  label: string | null,
  { target, operation }: PlanOptions,
  taken: Map<Path, FileFacts>,
): AsyncGenerator<Step> {
  const facts: FileFacts[] = [];
  for (const from of files) {
    const info = await lstat(openable(from)).catch(() => undefined);
    const why = info === undefined ? 'the file is gone' : info.isFile() ? undefined : 'a symbolic link or device';
    const known = why === undefined ? await factsOf(from).catch(() => undefined) : undefined;
    if (known === undefined) {
      for (const one of files) yield { kind: 'stay', label, from: one, why: why ?? 'the file cannot be read' };
      return;
    }
    facts.push(known);
  }
  const { stem } = partsOf(picture);
  for (let n = 0; ; n++) {
    const places = files.map((from) => join(folder, renamed(partsOf(from).name, stem, n)));
    const states = await Promise.all(
      places.map((to, i) => {
        const transfer = { operation, from: files[i] as Path, to, ...(facts[i] as FileFacts) };
        return compareWithPlan(target, transfer, taken);
      }),
    );
    if (states.includes('different')) continue;
    for (const [i, from] of files.entries()) {
      const [to, own] = [places[i] as Path, facts[i] as FileFacts];
      if (states[i] === 'identical') yield { kind: 'skip', label, from, why: `identical to ${to}` };
      else {
        taken.set(to.toLowerCase().normalize('NFC'), own);
        const transfer = { operation, from, to, ...own };
        yield { kind: 'transfer', label, transfer, ...(from !== picture && { picture }) };
      }
    }
    return;
  }
}

/** `IMG.jpg`, `IMG.jpg.xmp` and `IMG.xmp` with n = 1: `IMG-1.jpg`, `IMG-1.jpg.xmp`, `IMG-1.xmp` */
function renamed(name: Path, stem: Path, n: number): Path {
  if (n === 0) return name;
  const keepsStem = name.toLowerCase().startsWith(stem.toLowerCase());
  return keepsStem ? `${name.slice(0, stem.length)}-${n}${name.slice(stem.length)}` : `${n}-${name}`;
}

/** What is at a path, on disk or after an earlier step. Names that differ only in case count as the same. */
async function compareWithPlan(
  target: Path,
  { operation, from, to, size, sha256 }: Transfer,
  taken: ReadonlyMap<Path, FileFacts>,
): Promise<'free' | 'identical' | 'different'> {
  const planned = taken.get(to.toLowerCase().normalize('NFC'));
  if (planned !== undefined) return planned.size === size && planned.sha256 === sha256 ? 'identical' : 'different';
  const path = join(target, to);
  const leadsTo = operation === 'symbolic' && (await readlink(openable(path)).catch(() => undefined));
  return leadsTo === from ? 'identical' : compareAt(path, { size, sha256 });
}

/** A group, or a file that may belong to several pictures. */
async function* groupsOf(
  pictures: readonly Labelled[],
): AsyncGenerator<Group | { readonly stay: Path; readonly why: string }> {
  const companions = new Companions();
  const byStem = new Map<string, Labelled[]>();
  for (const one of pictures) {
    const { folder, stem } = partsOf(one.path);
    const key = `${folder}\0${stem.toLowerCase()}`;
    const known = byStem.get(key);
    if (known === undefined) byStem.set(key, [one]);
    else if (!known.some(({ path }) => path === one.path)) known.push(one);
  }
  for (const together of byStem.values()) {
    const raws = together.filter(({ path }) => isRaw(path));
    const others = together.filter(({ path }) => !isRaw(path));
    // A RAW file follows the picture that the camera made of it.
    const groups =
      others.length === 0
        ? [together]
        : others.map((one, n) => (n === 0 && others.length === 1 ? [one, ...raws] : [one]));
    if (others.length > 1) groups.push(...raws.map((one) => [one]));
    const listed = new Set(together.map(({ path }) => path));
    const owners = new Map<Path, number[]>();
    for (const [n, group] of groups.entries()) {
      for (const { path } of group)
        for (const file of await companions.of(path))
          if (!listed.has(file)) owners.set(file, [...new Set([...(owners.get(file) ?? []), n])]);
    }
    for (const [n, group] of groups.entries()) {
      const own = [...owners].filter(([, of]) => of.length === 1 && of[0] === n).map(([file]) => file);
      yield { pictures: group.map(({ path }) => path), label: (group[0] as Labelled).label, companions: own };
    }
    for (const [file, of] of owners)
      if (of.length > 1) yield { stay: file, why: 'it may belong to more than one picture' };
  }
}
