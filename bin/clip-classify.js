#!/usr/bin/env node
const stop = new AbortController();
for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(exitCode); // asked twice
    stop.abort(exitCode);
  });
}

const { run } = await import('../dist/bundle/run.js'); // what takes time comes after the signals are heard
const { stdout, stderr, env } = process;
process.exitCode = await run(process.argv.slice(2), {
  stdout,
  stderr,
  stdin: () => process.stdin,
  env,
  interruption: stop.signal,
});
// Nobody waits any more for what is still under way.
if (stop.signal.aborted) process.exit();
