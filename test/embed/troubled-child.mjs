// The child process that encodes images, with troubles at images of certain names: it dies or hangs for good.
import { serveImages } from '../../dist/embed/serve.js';

process.on('disconnect', () => process.exit());
const names = new Map();
serveImages({
  send(replies) {
    process.send(replies);
    for (const reply of replies) {
      if (reply.kind !== 'stage' || reply.stage !== 'decoding') continue;
      if (names.get(reply.id).includes('killer')) process.kill(process.pid, 'SIGSEGV');
      if (names.get(reply.id).includes('hang')) for (;;);
    }
  },
  on: (event, heard) =>
    process.on(event, (requests) => {
      for (const { kind, id, source } of requests) if (kind === 'encode') names.set(id, source.name);
      heard(requests);
    }),
});
