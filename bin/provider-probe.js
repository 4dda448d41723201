// Runs one provider for `clip-classify doctor`: where a driver crashes, hangs or writes to standard error, it is here.
import { probeProvider } from '../dist/bundle/probe-provider.js';

process.stdout.write(JSON.stringify(await probeProvider(process.argv[2])));
