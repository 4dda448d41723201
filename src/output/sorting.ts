import { oneLine } from '../errors.ts';
import { partsOf } from '../sorting/companions.ts';
import { NO_LABEL } from '../sorting/folder-name.ts';
import type { Step } from '../sorting/plan.ts';
import { columns } from './columns.ts';
import { toJson } from './json.ts';

const EXAMPLES = 3;

/**
 * The plan for people: for each folder, the number of files and the names of some pictures; then the files that go with a picture, and
 * the files that stay in place.
 */
export function planTable(steps: readonly Step[]): string {
  const folders = new Map<string, { files: number; pictures: string[] }>();
  const companions: string[] = [];
  for (const step of steps) {
    if (step.kind !== 'transfer') continue;
    const { folder, name } = partsOf(step.transfer.to);
    const own = folders.get(folder) ?? { files: 0, pictures: [] };
    folders.set(folder, own);
    own.files++;
    if (step.picture === undefined) own.pictures.push(name);
    else companions.push(name);
  }
  const rows = [...folders]
    .sort(([a], [b]) => Number(a === NO_LABEL) - Number(b === NO_LABEL) || (a < b ? -1 : 1))
    .map(([folder, { files, pictures }]) => [`${oneLine(folder)}/`, countOf(files), examplesOf(pictures)]);
  const [belong, go] = companions.length === 1 ? ['belongs', 'goes'] : ['belong', 'go'];
  const together =
    companions.length === 0
      ? ''
      : `${companions.length} of these files ${belong} to a picture and ${go} with it: ${examplesOf(companions)}\n`;
  return columns(rows, 'lrl') + together + keptLines(steps);
}

/** One JSON object for each file. */
export function planLines(steps: readonly Step[]): string {
  return steps.map((step) => `${toJson(stepRow(step))}\n`).join('');
}

export function stepRow(step: Step): object {
  if (step.kind === 'transfer') {
    const { operation, from, to } = step.transfer;
    return {
      action: operation === 'hard' || operation === 'symbolic' ? 'link' : operation,
      from,
      to,
      label: step.label,
      ...(step.picture !== undefined && { picture: step.picture }),
    };
  }
  return { action: step.kind, from: step.from, label: step.label, reason: step.why };
}

function keptLines(steps: readonly Step[]): string {
  const reasons = new Map<string, string[]>();
  for (const step of steps) {
    if (step.kind === 'transfer') continue;
    const why = step.kind === 'skip' ? 'the folder gets or has an identical file' : step.why;
    add(reasons, why, partsOf(step.from).name);
  }
  const line = (why: string, names: readonly string[]) =>
    `${countOf(names.length)} not touched (${why}): ${examplesOf(names)}\n`;
  return [...reasons].map(([why, names]) => line(why, names)).join('');
}

function add(lists: Map<string, string[]>, key: string, name: string): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [name]);
  else list.push(name);
}

function examplesOf(names: readonly string[]): string {
  const more = names.length > EXAMPLES ? ', …' : '';
  return names.slice(0, EXAMPLES).map(oneLine).join(', ') + more;
}

function countOf(count: number): string {
  return count === 1 ? '1 file' : `${count} files`;
}
