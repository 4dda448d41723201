// Clients that send requests to a service without a pause: npx tsx bench/load.ts http://127.0.0.1:7070 photos --pid 123
// Prints images/s, latencies, the number of failed and wrong answers, and the memory of the service's processes.
import { execFileSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { argv, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { Agent, request } from 'undici';

const { values, positionals } = parseArgs({
  args: argv.slice(2),
  allowPositionals: true,
  options: {
    clients: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '60' },
    labels: { type: 'string', default: 'cat,dog,bird,car,house,tree,food,person' },
    /** The process of the service, for its memory. */
    pid: { type: 'string' },
  },
});
const [address = '', folder = ''] = positionals;
const [clients, seconds] = [Number(values.clients), Number(values.seconds)];
const names = (await readdir(folder)).filter((name) => /\.jpe?g$/iu.test(name));
const photos = await Promise.all(names.map((name) => readFile(join(folder, name))));
const dispatcher = new Agent({ connections: clients });

interface Row {
  readonly image: string;
  readonly label?: string;
}

const latencies: number[] = [];
const counts = { answered: 0, refused: 0, failed: 0, wrong: 0 };
const seen = new Set<string>();
const memory: number[] = [];
let sent = 0;

const labels = encodeURIComponent(values.labels);
const began = performance.now();
const isOver = () => performance.now() - began > seconds * 1000;

async function client(): Promise<void> {
  while (!isOver()) {
    const n = sent++;
    const from = performance.now();
    const path = `${address}/v1/classify?labels=${labels}&top=3&name=image-${n}`;
    const body = photos[n % photos.length] as Buffer;
    try {
      const answer = await request(path, {
        method: 'POST',
        body,
        dispatcher,
        headers: { 'content-type': 'image/jpeg' },
      });
      const { results } = (await answer.body.json()) as { results?: Row[] };
      if (answer.statusCode === 429) {
        counts.refused++;
        continue;
      }
      latencies.push(performance.now() - from);
      const [row, ...others] = results ?? [];
      const isRight = row?.image === `image-${n}` && row.label !== undefined && others.length === 0;
      if (!isRight || seen.has(row.image)) counts.wrong++;
      else counts.answered++;
      if (row) seen.add(row.image);
    } catch {
      counts.failed++;
    }
  }
}

/** Megabytes of a process and its children. */
function resident(pid: string): number {
  const lines = execFileSync('ps', ['-o', 'rss=', '--pid', pid, '--ppid', pid], { encoding: 'utf8' });
  return lines.split('\n').reduce((sum, line) => sum + Number(line) / 1024, 0);
}

const { pid } = values;
const watch = pid === undefined ? undefined : setInterval(() => memory.push(resident(pid)), 1_000);
await Promise.all(Array.from({ length: clients }, client));
clearInterval(watch);

const took = (performance.now() - began) / 1000;
latencies.sort((a, b) => a - b);
const quantile = (share: number) => Math.round(latencies[Math.floor(share * (latencies.length - 1))] ?? 0);
const fifth = Math.ceil(memory.length / 5);
const mean = (all: readonly number[]) => Math.round(all.reduce((a, b) => a + b, 0) / all.length);
stdout.write(
  `${JSON.stringify({
    ...counts,
    'images/s': Number((counts.answered / took).toFixed(1)),
    'p50 ms': quantile(0.5),
    'p99 ms': quantile(0.99),
    ...(memory.length > 0 && {
      'MB in the second fifth': mean(memory.slice(fifth, 2 * fifth)),
      'MB in the last fifth': mean(memory.slice(-fifth)),
    }),
  })}\n`,
);
await dispatcher.close();
