import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type {} from 'vitest';
import type { TestProject } from 'vitest/node';
import type { Platform } from '../../jobs/platform.ts';
import { down, up } from '../../stacks/embedded/index.ts';
import { isRunning } from '../../stacks/embedded/process.ts';
import { readState } from '../../stacks/embedded/state.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Real servers that all integration tests share; each test makes a database of its own. */
    platform: Platform;
  }
}

/**
 * Starts the shared servers, or goes on with running ones. The last of several test runs stops what the first of them
 * started; with CUTOVER_TEST_KEEP=1 the servers stay.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Tests that run beside others need servers of their own.
  const folder = project.name === 'beside' ? '.cutover/test-beside' : '.cutover/test';
  const home = resolve(project.config.root, folder);
  const cache = resolve(project.config.root, '.cutover/cache');
  // One file for each test run that uses the servers, named by its process.
  const users = join(home, 'users');
  // There when a test run has started the servers, and so the last one stops them.
  const ours = join(home, 'stop-after-tests');
  await mkdir(users, { recursive: true });
  const me = join(users, String(process.pid));
  await writeFile(me, '');
  const servers = (await readState(home))?.servers ?? [];
  const wereUp = servers.length > 0 && (await Promise.all(servers.map(isRunning))).every(Boolean);
  if (!wereUp) await writeFile(ours, '');
  project.provide('platform', await up({ home, cache, log: (line) => console.log(line) }));
  return async () => {
    await rm(me, { force: true });
    if (process.env.CUTOVER_TEST_KEEP === '1') await rm(ours, { force: true });
    for (const pid of await readdir(users)) {
      if (alive(Number(pid))) return;
      await rm(join(users, pid), { force: true });
    }
    if (!(await readdir(home)).includes(basename(ours))) return;
    await rm(ours);
    await down({ home });
  };
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
