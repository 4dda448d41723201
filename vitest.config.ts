import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Forks, not threads: onnxruntime's binding is loaded once per process.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // Never the user's own cache: what an older version of the code put there would be believed.
    env: { CLIP_CLASSIFY_CACHE: mkdtempSync(join(tmpdir(), 'clip-classify-test-')) },
  },
});
