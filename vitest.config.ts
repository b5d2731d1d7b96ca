import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Examples import the package by its name, as users' files do.
  resolve: { alias: { fedtune: fileURLToPath(new URL('src/index.ts', import.meta.url)) } },
  test: {
    include: ['tests/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // The training engine uses every core by itself; two test files at a time keep a 2-core machine busy, no more.
    maxWorkers: 2,
    pool: 'forks',
  },
});
