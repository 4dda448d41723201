// The process that encodes the images of a batch; the command line starts it, kills it when it is stuck, and replaces it.
import { serveImages } from '../dist/bundle/serve.js';

process.on('disconnect', () => process.exit());
process.on('SIGINT', () => {}); // a terminal sends it to every process; the parent decides
process.on('SIGTERM', () => {});
serveImages(process);
