import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { createClient, createCluster } from 'redis';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Platform } from '../../jobs/platform.ts';
import { asOther } from '../../stacks/embedded/account.ts';
import { extensions, installed } from '../../stacks/embedded/binaries.ts';
import { down, proveRedis, proveReplica, up } from '../../stacks/embedded/index.ts';
import { isFree } from '../../stacks/embedded/ports.ts';
import { readState, type Server, type State } from '../../stacks/embedded/state.ts';
import { makeTls } from '../../stacks/embedded/tls.ts';

// A home of its own, because these tests stop, break and delete servers; its name wants quoting in every settings file
// and in URLs. The packages are those of the other tests.
const home = resolve(`.cutover/test embedded's`);
const cache = resolve('.cutover/cache');

async function state(): Promise<State> {
  return (await readState(home))!;
}

async function server(name: string): Promise<Server> {
  return (await state()).servers.find((one) => one.name === name)!;
}

async function pids(): Promise<Record<string, number>> {
  return Object.fromEntries((await state()).servers.map(({ name, pid }) => [name, pid]));
}

/** Process ids of whatever works in the data of a home. */
async function processesIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    if (cwd.startsWith(`${folder}/`)) found.push(pid);
  }
  return found;
}

async function query(url: string, text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** One URL with parts of it exchanged. */
function changed(url: string, change: (url: URL) => void): string {
  const copy = new URL(url);
  change(copy);
  return copy.href;
}

async function ping(url: string, socket: object): Promise<string> {
  const client = createClient({
    url,
    socket: { reconnectStrategy: false, connectTimeout: 3_000, ...socket },
  });
  client.on('error', () => {});
  try {
    await client.connect();
    return await client.ping();
  } finally {
    client.destroy();
  }
}

async function withCluster<T>(
  platform: Platform,
  work: (cluster: ReturnType<typeof createCluster>) => Promise<T>,
): Promise<T> {
  const cluster = createCluster({
    rootNodes: platform.redis.map((url) => ({ url })),
    defaults: {
      password: new URL(platform.redis[0]!).password,
      socket: { tls: true, ca: await readFile(platform.redisCa!) },
    },
  });
  await cluster.connect();
  try {
    return await work(cluster as unknown as ReturnType<typeof createCluster>);
  } finally {
    cluster.destroy();
  }
}

beforeAll(async () => {
  // What an earlier run left, should it have been killed.
  await down({ home, purge: true });
});

afterAll(async () => {
  await down({ home, purge: true });
  await rm(home, { recursive: true, force: true });
});

describe('a first start that is interrupted', () => {
  test.each(['making the PostgreSQL primary', 'copying the primary to its replica'])(
    'while %s leaves no process and no half-made data',
    async (moment) => {
      const controller = new AbortController();
      const log = (line: string) => {
        // A moment later, when the program that the line announces is at work.
        if (line === moment) setTimeout(() => controller.abort(), 100);
      };
      await expect(up({ home, cache, log, signal: controller.signal })).rejects.toMatchObject({
        kind: 'interrupted',
      });
      expect(await processesIn(home)).toEqual([]);
      const { servers, dirs } = await state();
      const unmade = servers.filter(({ made }) => !made).map(({ name }) => name);
      expect(unmade).toContain('redis-0');
      const left = await readdir(dirs.data);
      expect(left.filter((name) => unmade.includes(name))).toEqual([]);
    },
  );
});

describe('the platform', () => {
  let platform: Platform;
  const database = 'embedded_test';
  const inDatabase = (url: string) => changed(url, (it) => (it.pathname = `/${database}`));

  beforeAll(async () => {
    platform = await up({ home, cache });
    await query(platform.postgres, `CREATE DATABASE ${database}`);
    await query(inDatabase(platform.postgres), 'CREATE TABLE word (word text)');
  });

  test('has every extension that the systems need, on its TimescaleDB server', async () => {
    const url = inDatabase(platform.timescale);
    for (const name of extensions) await query(url, `CREATE EXTENSION IF NOT EXISTS "${name}"`);
    const rows = await query(url, 'SELECT extname FROM pg_extension');
    expect(rows.map(({ extname }) => extname)).toEqual(expect.arrayContaining([...extensions]));
    expect(await query(url, "SELECT '[1,2]'::vector <-> '[1,4]'::vector AS distance")).toEqual([
      { distance: 2 },
    ]);
    await query(url, 'CREATE TABLE tick (at timestamptz NOT NULL, price float8)');
    await query(url, "SELECT create_hypertable('tick', 'at')");
  });

  test('knows Japanese: trigrams and case by Unicode', async () => {
    const url = inDatabase(platform.postgres);
    await query(url, 'CREATE EXTENSION IF NOT EXISTS pg_trgm');
    const [row] = await query(
      url,
      "SELECT cardinality(show_trgm('東京都')) AS trigrams, upper('ä') AS upper",
    );
    expect(row).toEqual({ trigrams: 4, upper: 'Ä' });
  });

  test('keeps checksums of its pages', async () => {
    expect(await query(platform.postgres, 'SHOW data_checksums')).toEqual([{ data_checksums: 'on' }]);
  });

  test.each(['postgres', 'replica'] as const)('%s: TLS and password are not optional', async (which) => {
    const url = platform[which]!;
    expect(await query(url, 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')).toEqual([
      { ssl: true },
    ]);
    const otherCa = join(home, 'other-ca.pem');
    await writeFile(otherCa, (await makeTls()).ca);
    const withOtherCa = changed(url, (it) => it.searchParams.set('sslrootcert', otherCa));
    await expect(query(withOtherCa, 'SELECT 1')).rejects.toThrow(/self-signed|unable to verify/);
    const plaintext = changed(url, (it) => (it.search = '?sslmode=disable'));
    await expect(query(plaintext, 'SELECT 1')).rejects.toMatchObject({ code: '28000' });
    const wrongPassword = changed(url, (it) => (it.password = 'guess'));
    await expect(query(wrongPassword, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
  });

  test('redis: TLS and password are not optional', async () => {
    const ca = await readFile(platform.redisCa!);
    for (const url of platform.redis) {
      expect(await ping(url, { tls: true, ca })).toBe('PONG');
      const otherCa = (await makeTls()).ca;
      await expect(ping(url, { tls: true, ca: otherCa })).rejects.toThrow(/self-signed|unable to verify/);
      await expect(ping(url.replace('rediss:', 'redis:'), {})).rejects.toThrow();
      const wrongPassword = changed(url, (it) => (it.password = 'guess'));
      await expect(ping(wrongPassword, { tls: true, ca })).rejects.toThrow('WRONGPASS');
      await expect(ping(`rediss://${new URL(url).host}`, { tls: true, ca })).rejects.toThrow('NOAUTH');
    }
  });

  test('listens on the loopback interface only, and on no port but those in the state', async () => {
    const tables = `${await readFile('/proc/net/tcp', 'utf8')}${await readFile('/proc/net/tcp6', 'utf8')}`;
    const listening = tables
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A')
      .map((fields) => ({ socket: `socket:[${fields[9]}]`, address: fields[1]! }));
    for (const { name, pid, port, busPort } of (await state()).servers) {
      const files = await Promise.all(
        (await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')),
      );
      const addresses = listening
        .filter(({ socket }) => files.includes(socket))
        .map(({ address }) => address);
      // 127.0.0.1 in the kernel's little-endian spelling.
      const wanted = [port, busPort ?? []].flat().map((one) => `0100007F:${one.toString(16).toUpperCase()}`);
      expect({ name, addresses: addresses.toSorted() }).toEqual({ name, addresses: wanted.toSorted() });
    }
  });

  test('no password is on a command line or open to others', async () => {
    const { passwords, servers, dirs } = await state();
    for (const { pid } of servers) {
      const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8');
      for (const secret of Object.values(passwords)) expect(commandLine).not.toContain(secret);
    }
    const files = (await readdir(join(dirs.data, 'conf'))).map((name) => join(dirs.data, 'conf', name));
    for (const file of [join(home, 'state.json'), ...files]) {
      expect({ file, mode: (await stat(file)).mode & 0o777 }).toEqual({ file, mode: 0o600 });
    }
  });

  test('unpacked servers load no library of the machine', async (context) => {
    const { pid } = await server('primary');
    const [tree] = (await readdir(cache)).filter((name) => name.startsWith('trixie-'));
    const program = await readlink(`/proc/${pid}/exe`);
    if (!tree || !program.startsWith(join(cache, tree))) return context.skip();
    for (const name of ['primary', 'redis-0']) {
      const maps = await readFile(`/proc/${(await server(name)).pid}/maps`, 'utf8');
      const libraries = [...new Set(maps.match(/\/\S+\.so\b\S*/g))];
      expect(libraries.length).toBeGreaterThan(5);
      expect(libraries.filter((file) => !file.startsWith(join(cache, tree)))).toEqual([]);
    }
  });

  test('servers on PATH are used if they have all we need', async (context) => {
    const { account } = await state();
    const [tree] = (await readdir(cache)).filter((name) => name.startsWith('trixie-'));
    if (!tree) return context.skip();
    const programs = join(cache, tree, 'usr/bin');
    const postgres = join(cache, tree, 'usr/lib/postgresql/17/bin');
    const asked = asOther(account);
    try {
      vi.stubEnv('PATH', `${postgres}:${programs}:/usr/bin:/bin`);
      expect(await installed(asked)).toMatchObject({ postgres, redisServer: join(programs, 'redis-server') });
      vi.stubEnv('PATH', `${postgres}:/usr/bin:/bin`);
      expect(await installed(asked)).toBeUndefined();
      vi.stubEnv('PATH', `${programs}:/usr/bin:/bin`);
      expect(await installed(asked)).toBeUndefined();
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test('a row written on the primary reaches the replica, which takes no writes', async () => {
    const word = randomUUID();
    await query(inDatabase(platform.postgres), 'INSERT INTO word VALUES ($1)', [word]);
    await expect
      .poll(
        () =>
          query(inDatabase(platform.replica!), 'SELECT word FROM word WHERE word = $1', [word]).catch(
            () => [],
          ),
        {
          timeout: 30_000,
        },
      )
      .toEqual([{ word }]);
    await expect(query(inDatabase(platform.replica!), 'DELETE FROM word')).rejects.toMatchObject({
      code: '25006',
    });
    await expect.poll(() => proveReplica(platform), { timeout: 30_000 }).toEqual({ lagBytes: 0 });
  });

  test('the Redis cluster survives the loss of a master', async () => {
    const proof = await proveRedis(platform, home, { cache });
    expect(proof).toMatchObject({ slots: 16_384, masters: 3, replicas: 3 });
    expect(proof.failover).toMatch(/^redis-\d took over from redis-\d in /);
  });

  test('a second start leaves running servers alone, also two at once', async () => {
    const before = await pids();
    expect(await Promise.all([up({ home, cache }), up({ home, cache })])).toEqual([platform, platform]);
    expect(await pids()).toEqual(before);
  });

  test('a server that crashed is started again, the others are left alone', async () => {
    const before = await pids();
    const crashed = ['replica', 'redis-2'];
    for (const name of crashed) process.kill(before[name]!, 'SIGKILL');
    await up({ home, cache });
    const after = await pids();
    const changedPids = Object.keys(before).filter((name) => after[name] !== before[name]);
    expect(changedPids).toEqual(crashed);
  });

  test('a server that the state does not know is found by where it stands', async () => {
    const before = await pids();
    const content = await state();
    for (const one of content.servers) Object.assign(one, { pid: 0, startTime: 0 });
    await writeFile(join(home, 'state.json'), JSON.stringify(content));
    await up({ home, cache });
    expect((await processesIn(home)).map(Number)).toEqual(expect.arrayContaining(Object.values(before)));
    await down({ home });
    expect(await processesIn(home)).toEqual([]);
    await up({ home, cache });
  });

  test('a process that got the number of a server is not touched', async () => {
    const stranger = spawn('sleep', ['600'], { stdio: 'ignore' });
    await once(stranger, 'spawn');
    try {
      await down({ home });
      const content = await state();
      Object.assign(content.servers[0]!, { pid: stranger.pid });
      await writeFile(join(home, 'state.json'), JSON.stringify(content));
      expect((await down({ home })).stopped).toEqual([]);
      await up({ home, cache });
      expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
    } finally {
      stranger.kill();
    }
  });

  test('stopping and starting keeps data and addresses', async () => {
    const value = randomUUID();
    await query(inDatabase(platform.postgres), 'INSERT INTO word VALUES ($1)', [value]);
    await withCluster(platform, (cluster) => cluster.set('kept', value));
    const { stopped, purged } = await down({ home });
    expect(stopped.toSorted()).toEqual([
      'primary',
      ...[0, 1, 2, 3, 4, 5].map((index) => `redis-${index}`),
      'replica',
    ]);
    expect(purged).toBe(false);
    expect(await processesIn(home)).toEqual([]);
    await expect(query(platform.postgres, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
    expect(await up({ home, cache })).toEqual(platform);
    const rows = await query(inDatabase(platform.postgres), 'SELECT word FROM word WHERE word = $1', [value]);
    expect(rows).toHaveLength(1);
    expect(await withCluster(platform, (cluster) => cluster.get('kept'))).toBe(value);
  });

  test('servers whose ports were taken meanwhile move to others and keep their data', async () => {
    await withCluster(platform, (cluster) => cluster.set('moved', 'yes'));
    await query(inDatabase(platform.postgres), "INSERT INTO word VALUES ('moved')");
    await down({ home });
    const before = await state();
    const lost = ['primary', 'redis-0', 'redis-1', 'redis-2', 'redis-3', 'redis-4', 'redis-5'];
    const squatters = await Promise.all(
      before.servers
        .filter(({ name }) => lost.includes(name))
        .map(async ({ port }) => {
          const squatter = createServer().listen(port, '127.0.0.1');
          await once(squatter, 'listening');
          return squatter;
        }),
    );
    try {
      const moved = await up({ home, cache });
      const after = await state();
      const changedPorts = before.servers.filter(
        ({ name, port }) => after.servers.find((one) => one.name === name)!.port !== port,
      );
      expect(changedPorts.map(({ name }) => name)).toEqual(lost);
      expect(
        await query(
          inDatabase(moved.replica!),
          "SELECT 1 AS one FROM pg_stat_wal_receiver WHERE status = 'streaming'",
        ),
      ).toEqual([{ one: 1 }]);
      const words = 'SELECT word FROM word WHERE word = $1';
      expect(await query(inDatabase(moved.postgres), words, ['moved'])).toHaveLength(1);
      expect(await withCluster(moved, (cluster) => cluster.get('moved'))).toBe('yes');
    } finally {
      for (const squatter of squatters) squatter.close();
    }
  });

  test('a primary that crashed and must move takes its running replica along', async () => {
    const [primary, replica] = [await server('primary'), await server('replica')];
    process.kill(primary.pid, 'SIGKILL');
    // Its workers notice and go, then the port is free.
    await expect.poll(() => isFree(primary.port), { timeout: 30_000 }).toBe(true);
    const squatter = createServer().listen(primary.port, '127.0.0.1');
    await once(squatter, 'listening');
    try {
      const moved = await up({ home, cache });
      expect((await server('primary')).port).not.toBe(primary.port);
      expect((await server('replica')).pid).toBe(replica.pid);
      expect((await proveReplica(moved)).lagBytes).toBeGreaterThanOrEqual(0);
    } finally {
      squatter.close();
    }
  });

  test('a repair that is interrupted leaves what ran before', async () => {
    const before = await pids();
    process.kill(before.replica!, 'SIGKILL');
    const controller = new AbortController();
    controller.abort();
    await expect(up({ home, cache, signal: controller.signal })).rejects.toMatchObject({
      kind: 'interrupted',
    });
    const running = (await processesIn(home)).map(Number);
    const { replica, ...others } = before;
    expect(running).toEqual(expect.arrayContaining(Object.values(others)));
    expect(running).not.toContain(replica);
    await up({ home, cache });
  });

  test('purging deletes data and state, not the packages', async () => {
    const packages = await readdir(cache);
    const { dirs } = await state();
    expect((await down({ home, purge: true })).purged).toBe(true);
    expect(await processesIn(home)).toEqual([]);
    await expect(stat(dirs.data)).rejects.toThrow('ENOENT');
    expect(await readState(home)).toBeUndefined();
    expect(await readdir(cache)).toEqual(packages);
  });
});

describe.runIf(process.getuid!() === 0)('started as root', () => {
  test('a home that the servers cannot enter keeps its state; the data go elsewhere', async () => {
    const closed = await mkdtemp(join(tmpdir(), 'cutover-closed-'));
    await chmod(closed, 0o700);
    const inside = join(closed, 'home');
    await mkdir(inside);
    try {
      const platform = await up({ home: inside, cache });
      expect(await query(platform.replica!, 'SELECT pg_is_in_recovery() AS replica')).toEqual([
        { replica: true },
      ]);
      const { dirs, account, servers } = (await readState(inside))!;
      expect(dirs.data.startsWith(closed)).toBe(false);
      for (const { pid } of servers) expect((await stat(`/proc/${pid}`)).uid).toBe(account.uid);
      expect(account.uid).not.toBe(0);
      await down({ home: inside, purge: true });
      await expect(stat(join(dirs.data, '..'))).rejects.toThrow('ENOENT');
    } finally {
      await down({ home: inside, purge: true });
      await rm(closed, { recursive: true, force: true });
    }
  });
});
