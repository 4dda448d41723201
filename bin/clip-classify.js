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

try {
  const { run } = await import('../dist/bundle/run.js'); // what takes time comes after the signals are heard
  const { stdout, stderr, env } = process;
  process.exitCode = await run(process.argv.slice(2), {
    stdout,
    stderr,
    stdin: () => process.stdin,
    env,
    interruption: stop.signal,
  });
} catch (error) {
  // The program or a library of it cannot be loaded.
  const [line] = String(error?.message ?? error).split('\n');
  process.stderr.write(
    `clip-classify: error: cannot start: ${line}; give the process more memory (ulimit -v), or install clip-classify again\n`,
  );
  process.exitCode = 2;
}
// Nobody waits any more for what is still under way.
if (stop.signal.aborted) process.exit();
