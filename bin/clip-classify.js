#!/usr/bin/env node
import { Interruption } from '../dist/cli/io.js';
import { run } from '../dist/cli/run.js';

const stop = new AbortController();
for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(exitCode); // asked twice
    stop.abort(new Interruption(exitCode));
  });
}
const { stdout, stderr, env } = process;
process.exitCode = await run(process.argv.slice(2), { stdout, stderr, env, interruption: stop.signal });
// Nobody waits any more for what is still under way.
if (stop.signal.aborted) process.exit();
