import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    coverage: {
      provider: 'v8',
      include: ['jobs/engine/**'],
      reporter: ['text-summary'],
      // Lines that run in processes which the tests kill are not counted, so the floor is below 100.
      thresholds: { lines: 95, functions: 95, branches: 90 },
    },
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          // Real servers on two cores: files take turns, each in databases of its own.
          fileParallelism: false,
          globalSetup: ['test/integration/platform.ts'],
          testTimeout: 180_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
