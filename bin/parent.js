// A process whose parent has been killed must end, even where its main thread is inside of an inference and hears nothing.
import { Worker } from 'node:worker_threads';

const WATCH = `
const { workerData: parent } = require('node:worker_threads');
setInterval(() => process.ppid === parent || process.kill(process.pid, 'SIGKILL'), 500);
`;

/** Ends this process half a second after its parent, from a thread of its own. */
export function endWithParent(parent) {
  const resourceLimits = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 8, stackSizeMb: 1 };
  new Worker(WATCH, { eval: true, workerData: parent, resourceLimits }).unref();
}
