import { TEMPLATE, TWO_LABELS } from '../labels.ts';
import { openClipWeights, PEER_SCRIPTS, type PeerSetup, peerPython, wholeSide } from '../peers/python.ts';
import { peakMemory, type Script, wholeProcess } from '../processes.ts';
import { absentRow, type Row, ratioRow } from '../report.ts';
import { COMMAND, type Measurement } from '../setting.ts';
import { inTurn, median, ratioOf } from '../statistics.ts';

const THEIR_SCRIPT = new URL('../sides/one-image.mjs', import.meta.url).pathname;

/** One image in a process of its own, started, run and ended; files are in the page cache, labels in this package's. */
export const oneImage: Measurement = async ({ model, photos, cache, env, threads, quick }) => {
  const [photo = ''] = photos;
  const ours = (...more: string[]): Script => [COMMAND, photo, '-l', TWO_LABELS.join(','), '-f', 'label', ...more];
  const scripts: Record<string, Script> = {
    theirs: [THEIR_SCRIPT, model, photo, ...TWO_LABELS],
    fp32: ours('-m', model),
    int8: ours('-m', model, '--dtype', 'int8'),
    starter: ours('-m', 'starter'),
    node: ['-e', ''],
  };
  const python = await peerPython(cache, env);
  const setup: PeerSetup = {
    folder: model,
    openClip: await openClipWeights(python, model),
    template: TEMPLATE,
    tasks: { one: { photos: [photo], labels: TWO_LABELS } },
    compared: [],
    batch: 1,
    threads,
    workers: 0,
  };
  const noInt8 = refusal(scripts['int8'] ?? [], env);
  if (noInt8 !== undefined) delete scripts['int8'];
  const sides = Object.entries(scripts).map(([name, script]) => [name, async () => wholeProcess(script, env)] as const);
  for (const [peer, script] of Object.entries(PEER_SCRIPTS)) {
    sides.push([peer, async () => wholeProcess(wholeSide(script, setup, 'one'), env, python)]);
  }
  const took = await inTurn<string>(Object.fromEntries(sides), quick ? 3 : 11, 2);
  const compare = (a: string, b: string) => ratioOf(took[a] ?? [], took[b] ?? []);
  const int8 = 'one image, labels cached, whole process: transformers.js ÷ ours int8';
  return [
    ratioRow(
      'one image, labels cached, whole process: transformers.js ÷ ours fp32',
      { atLeast: 10 },
      compare('theirs', 'fp32'),
    ),
    noInt8 === undefined
      ? ratioRow(int8, { atLeast: 9 }, compare('theirs', 'int8'))
      : absentRow(int8, { atLeast: 9 }, noInt8),
    ...Object.keys(PEER_SCRIPTS).map((peer) =>
      ratioRow(
        `one image, whole process: ${peer} ÷ ours fp32, whose labels are cached`,
        undefined,
        compare(peer, 'fp32'),
      ),
    ),
    await memoryRow(scripts, env, quick ? 1 : 3),
    ratioRow('one image with the starter, whole process ÷ node -e ""', { atMost: 4 }, compare('starter', 'node')),
  ];
};

async function memoryRow(scripts: Record<string, Script>, env: NodeJS.ProcessEnv, turns: number): Promise<Row> {
  const what = 'peak memory of the same: ours fp32 ÷ transformers.js';
  const peak = (name: string) => () => peakMemory(scripts[name] ?? [], env);
  const peaks = await inTurn({ ours: peak('fp32'), theirs: peak('theirs') }, turns, 0);
  const [ours, theirs] = [median(peaks.ours), median(peaks.theirs)];
  const detail = `${ours.toFixed(0)} MB ÷ ${theirs.toFixed(0)} MB`;
  return { what, asked: { atMost: 0.55 }, reached: ours / theirs, detail };
}

/** Why a command does not run. The call also fills the caches for the measured runs. */
function refusal(script: Script, env: NodeJS.ProcessEnv): string | undefined {
  try {
    wholeProcess(script, env);
    return undefined;
  } catch (error) {
    return error instanceof Error ? (error.message.split('E_')[1] ?? error.message).trim() : String(error);
  }
}
