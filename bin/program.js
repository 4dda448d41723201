// The command line in its process: signals come in, an exit code goes out.

import { takeSockets } from './activation.js';
import { CODES, isHangUpIgnored } from './signals.js';
import { isSupervised, needsSupervisor, startSupervised, underSupervisor } from './supervisor.js';

if (needsSupervisor()) await startSupervised();
else await runHere();

async function runHere() {
  const isLogJson = / --log[= ]json( |$)/u.test(` ${process.argv.slice(2).join(' ')}`);
  const stop = new AbortController();
  let stoppedBy;
  let endsItself = false;
  const end = (signal) => {
    if (signal === 'SIGHUP' && isHangUpIgnored()) return;
    if (stop.signal.aborted) leave(signal); // asked twice
    stoppedBy ??= signal;
    stop.abort(CODES[stoppedBy]);
  };
  // Under a supervisor a terminal's signal comes to both processes: what counts is what the supervisor says.
  for (const signal of Object.keys(CODES)) process.on(signal, () => isSupervised || end(signal));
  process.on('uncaughtException', (error) => {
    process.stderr.write(isLogJson ? jsonOf('error', error) : `${lineOf(error)}\n`);
    process.exit(2);
  });
  if (isLogJson) {
    process.removeAllListeners('warning'); // Node's own prints text
    process.on('warning', (warning) => process.stderr.write(jsonOf('warning', warning)));
  }
  const finish = underSupervisor(end);

  const { run } = await import('../dist/bundle/run.js'); // what takes time comes after the signals are heard
  const { stdout, stderr, env } = process;
  const inheritedSockets = takeSockets(env);
  process.exitCode = await run(process.argv.slice(2), {
    stdout,
    stderr,
    stdin: () => process.stdin,
    env,
    interruption: stop.signal,
    isWary: isSupervised,
    inheritedSockets,
    endsItself: () => {
      endsItself = true;
    },
  });
  finish(process.exitCode);
  if (stop.signal.aborted) leave(stoppedBy, endsItself ? process.exitCode : CODES[stoppedBy]);
  // Everything is done and written: the system takes a process apart sooner than Node does.
  if (!isSupervised && stdout.writableLength + stderr.writableLength === 0) process.exit();
}

/** Ends at once, whatever is still under way. */
function leave(signal, code = CODES[signal]) {
  // process.exit() waits for threads, and one that opens or reads may never come back: then the signal itself ends the process.
  // A command that ends by itself has finished its work, and keeps its exit code.
  const waits =
    code === CODES[signal] &&
    process.getActiveResourcesInfo().some((one) => /^(FSReq|GetAddrInfo|GetNameInfo)/u.test(one));
  if (waits && process.pid !== 1) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  }
  process.exit(code);
}

/** A line of `--log json`. */
function jsonOf(event, { message, code }) {
  return `${JSON.stringify({ time: new Date().toISOString(), event, ...(code && { code }), message })}\n`;
}

function lineOf(error) {
  const message = String(error?.message ?? error).replace(/\s+/gu, ' ');
  const fix = ['EMFILE', 'ENFILE'].includes(error?.code) ? '; raise the limit of open files: ulimit -n 1024' : '';
  return `clip-classify: error: ${message}${fix}`;
}
