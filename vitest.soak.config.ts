import { defineConfig } from 'vitest/config';

/** The scorecard's long runs at their full size, one file at a time: `npm run test:soak`. */
export default defineConfig({
  test: {
    include: ['test/soak/**/*.soak.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 1_800_000,
  },
});
