// The child process that encodes images, with troubles at images of certain names: it dies, hangs for good, or has too little
// memory while another child of the same parent lives.
import { execFileSync } from 'node:child_process';
import { serveImages } from '../../dist/embed/serve.js';

process.on('disconnect', () => process.exit());
const names = new Map();
const siblings = () =>
  execFileSync('ps', ['-o', 'args=', '--ppid', String(process.ppid)], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes('troubled-child')).length - 1;
serveImages({
  send(replies) {
    process.send(replies);
    for (const reply of replies) {
      if (reply.kind !== 'phase' || reply.phase !== 'decoding') continue;
      if (names.get(reply.id).includes('killer')) process.kill(process.pid, 'SIGSEGV');
      if (names.get(reply.id).includes('hang')) for (;;);
      if (names.get(reply.id).includes('big') && siblings() > 0) process.kill(process.pid, 'SIGKILL');
    }
  },
  on: (event, heard) =>
    process.on(event, (requests) => {
      for (const { kind, id, source } of requests) if (kind === 'encode') names.set(id, source.name);
      heard(requests);
    }),
});
