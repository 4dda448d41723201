// Decodes one HEIC image for the process that started it, which kills it when it takes too long.
import { serveHeic } from '../dist/bundle/heic-serve.js';
import { endWithParent } from './parent.js';

endWithParent(process.ppid);
process.on('disconnect', () => process.exit());
process.on('SIGINT', () => {}); // a terminal sends it to every process; the parent decides
serveHeic(process);
