import { mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readPlatform } from '../../jobs/platform.ts';
import { settlePorts } from '../../stacks/embedded/home.ts';
import { isFree } from '../../stacks/embedded/ports.ts';
import { password, readState, type State, writeState } from '../../stacks/embedded/state.ts';

let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'cutover-state-'));
});

afterEach(async () => {
  await rm(home, { recursive: true, force: true });
});

function sample(): State {
  const server = { pid: 0, startTime: 0, port: 0, dataDir: '/nowhere', logFile: '/nowhere.log', made: false };
  return {
    version: 1,
    platform: { postgres: '', replica: '', timescale: '', redis: [], redisCa: '' },
    servers: [
      { ...server, name: 'primary', kind: 'postgres' },
      { ...server, name: 'replica', kind: 'postgres' },
      { ...server, name: 'redis-0', kind: 'redis' },
      { ...server, name: 'redis-1', kind: 'redis' },
    ],
    passwords: { postgres: 'p', replicator: 'q', redis: 'r' },
    dirs: { home, data: join(home, 'data') },
    account: { name: 'me', uid: 1, gid: 1 },
  };
}

test('what was written is read again, by its owner only, and jobs find the platform in it', async () => {
  const state = sample();
  await settlePorts(home, state);
  await writeState(home, state);
  expect(await readState(home)).toEqual(state);
  expect(await readPlatform(home)).toEqual(state.platform);
  expect((await stat(join(home, 'state.json'))).mode & 0o777).toBe(0o600);
  expect(await readdir(home)).toEqual(['state.json']);
});

test('no file is no state', async () => {
  expect(await readState(home)).toBeUndefined();
});

test.each([
  ['broken JSON', '{"version": 1'],
  ['another version', '{"version": 2}'],
])('%s is refused', async (_, text) => {
  await writeFile(join(home, 'state.json'), text);
  await expect(readState(home)).rejects.toMatchObject({ kind: 'prerequisite' });
});

test('a home that was moved is refused: its state names the servers of another', async () => {
  await writeState(home, sample());
  const moved = `${home}-moved`;
  await rename(home, moved);
  try {
    await expect(readState(moved)).rejects.toThrow(`was made in ${home}`);
  } finally {
    await rename(moved, home);
  }
});

test('every server gets free ports of its own, and keeps them while they are free', async () => {
  const state = sample();
  const first = await settlePorts(home, state);
  expect(first.map(({ name }) => name)).toEqual(['primary', 'replica', 'redis-0', 'redis-1']);
  const ports = state.servers.flatMap(({ port, busPort }) => (busPort ? [port, busPort] : [port]));
  expect(new Set(ports).size).toBe(6);
  expect(await Promise.all(ports.map(isFree))).not.toContain(false);
  expect(await settlePorts(home, state)).toEqual([]);
  const url = new URL(state.platform.postgres);
  expect(url.port).toBe(String(state.servers[0]!.port));
  expect(url.searchParams.get('sslmode')).toBe('verify-full');
  expect(url.searchParams.get('sslrootcert')).toBe(join(home, 'ca.pem'));
  expect(state.platform.timescale).toBe(state.platform.postgres);
});

test('passwords are long, different, and need no quoting', () => {
  const [one, two] = [password(), password()];
  expect(one).toMatch(/^[\w-]{32}$/);
  expect(one).not.toBe(two);
});
