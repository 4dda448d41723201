// The process that encodes images of a batch, and texts of foreign models; the command line starts it, kills it when it is
// stuck, and replaces it.
import { serveImages } from '../dist/bundle/serve.js';
import { endWithParent } from './parent.js';

endWithParent(process.ppid);
process.on('disconnect', () => process.exit());
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {}); // a terminal sends them to every process; the parent decides
serveImages(process);
