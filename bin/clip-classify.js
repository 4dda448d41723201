#!/usr/bin/env node
// Without static imports any Node can read this file: one that is too old is told so, in one line.
const [major, minor] = process.versions.node.split('.').map(Number);

if (major < 20 || (major === 20 && minor < 9)) {
  process.stderr.write(`clip-classify: error: Node ${process.versions.node} is too old; install Node 20.9 or later\n`);
  process.exitCode = 2;
} else {
  import('./program.js').catch((error) => {
    process.stderr.write(`clip-classify: error: ${String(error.message).replace(/\s+/g, ' ')}\n`);
    process.exitCode = 2;
  });
}
