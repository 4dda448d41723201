import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Forks, not threads: onnxruntime's binding is loaded once per process.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
  },
});
