// Draws one heat map for `clip-classify serve`, which kills it when it takes too long.
import { serveHeatMap } from '../dist/bundle/heat-map-serve.js';
import { endWithParent } from './parent.js';

endWithParent(process.ppid);
process.on('disconnect', () => process.exit());
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {}); // the parent decides
serveHeatMap(process);
