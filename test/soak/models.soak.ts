import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stdout } from 'node:process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { flips } from '../model/hostile-checkpoints.ts';
import { GRAPHS } from '../model/hostile-graphs.ts';
import { loadEach, writeEach } from '../model/hostile-outcomes.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'soak-models-'));
});
afterAll(() => rm(root, { recursive: true }));

it('300 models with one flipped bit: no crash, 10 seconds at most, a result or a named error', async () => {
  const models = flips(300);
  const outcomes = await loadEach(await writeEach(root, models));
  const ran = outcomes.filter(({ scores }) => scores !== undefined);
  stdout.write(
    `flips ${JSON.stringify({ ran: ran.length, slowestMs: Math.max(...outcomes.map(({ ms = 0 }) => ms)) })}\n`,
  );
  expect(outcomes).toHaveLength(300);
  const wrong = outcomes.flatMap(({ code, message, scores }, n) =>
    scores?.every(Number.isFinite) || code === 'E_MODEL' ? [] : [`${models[n]?.name}: ${code} ${message}`],
  );
  expect(wrong).toEqual([]);
  for (const { ms } of outcomes) expect(ms).toBeLessThan(10_000);
});

const hasStrace = existsSync('/usr/bin/strace');
it.skipIf(!hasStrace)('opens nothing outside of the model (with strace; skipped where it is missing)', async () => {
  const models = GRAPHS.filter(
    ({ name }) => /^graph: weights .*(out|absolute|device|mem)/.test(name) && !/hard/.test(name),
  );
  const trace = join(root, 'trace');
  const strace = ['strace', '-f', '-o', trace, '-e', 'trace=open,openat,connect'];
  const outcomes = await loadEach(await writeEach(root, models), strace);
  expect(outcomes.map(({ code }) => code)).toEqual(models.map(() => 'E_MODEL'));
  const calls = readFileSync(trace, 'utf8').split('\n');
  expect(calls.some((call) => call.includes('vision_model.onnx'))).toBe(true);
  expect(calls.filter((call) => /outside\.bin|\/dev\/zero|self\/mem"|connect\(.*AF_INET/.test(call))).toEqual([]);
});
