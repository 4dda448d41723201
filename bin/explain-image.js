// Draws one heat map for `clip-classify serve`, which kills it when it takes too long.
import { serveExplanation } from '../dist/bundle/explain-child.js';
import { endWithParent } from './parent.js';

endWithParent(process.ppid);
process.on('disconnect', () => process.exit());
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {}); // a terminal sends them to every process; the parent decides
serveExplanation(process);
