import { defineConfig } from 'vitest/config';

/** Tests on real servers that `npm test` runs beside the others, on servers of their own: in half the time on two cores. */
const BESIDE = [
  'cleanup',
  'each-system',
  'embedded',
  'errors',
  'harca',
  'instant-search',
  'secrets',
  'voice-roleplay',
].map((name) => `test/integration/${name}.test.ts`);

/** Real servers on two cores: files take turns, each in databases of its own. */
const onServers = {
  fileParallelism: false,
  globalSetup: ['test/integration/platform.ts'],
  testTimeout: 180_000,
  hookTimeout: 300_000,
};

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
      // A machine that builds something else meanwhile takes its time.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 30_000 } },
      // Against no engine; importing the providers' SDKs takes a while.
      { test: { name: 'program', include: ['test/program/**/*.test.ts'], testTimeout: 60_000 } },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          exclude: BESIDE,
          ...onServers,
        },
      },
      { test: { name: 'beside', include: BESIDE, ...onServers } },
    ],
  },
});
