import { join } from 'node:path';
import Database from 'libsql';
import type pg from 'pg';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import type { Platform } from '../../jobs/platform.ts';
import type { SystemReport } from '../../jobs/report.ts';
import { asAdmin, copyOfLegacy, cutover, dropSystems, run, scratch } from './harness.ts';

/** A server with TimescaleDB of the Timescale edition, as a role that may make databases and roles. */
const TIMESCALE_URL = process.env.CUTOVER_TSL_URL;
if (!TIMESCALE_URL) {
  console.warn(
    'CUTOVER_TSL_URL names no server with the Timescale edition: compression and continuous aggregates are NOT tested',
  );
}

const HOUR = 3_600_000;
/** A bar that is younger than any age at which chunks are compressed. */
const RECENT = new Date(Math.floor(Date.now() / HOUR) * HOUR - 2 * HOUR);
const naive = (time: Date) => time.toISOString().slice(0, 19).replace('T', ' ');

/** The sample with a series of known values in it: three bars on the first of May 2025, one on the second, one today. */
async function sourceWithSeries(): Promise<string> {
  const folder = await copyOfLegacy();
  edit(
    folder,
    `insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume, created_at) values
      ('TEST/USDT:USDT', '1h', '2025-05-01 00:00:00.000000', 100, 110, 95, 105, 1, '2025-05-03 00:00:00'),
      ('TEST/USDT:USDT', '1h', '2025-05-01 01:00:00.000000', 105, 130, 100, 125, 2, '2025-05-03 00:00:00'),
      ('TEST/USDT:USDT', '1h', '2025-05-01 23:00:00.000000', 125, 126, 90, 92, 3, '2025-05-03 00:00:00'),
      ('TEST/USDT:USDT', '1h', '2025-05-02 00:00:00.000000', 92, 93, 91, 91.5, 10, '2025-05-03 00:00:00'),
      ('TEST/USDT:USDT', '1h', '${naive(RECENT)}', 50, 51, 49, 50.5, 7, '${naive(new Date())}')`,
    `insert into funding_rate_data (symbol, funding_rate, funding_timestamp, timestamp, created_at) values
      ('TEST/USDT:USDT', 0.25, '2025-05-01 00:00:00', '2025-05-01 00:00:00', '2025-05-03 00:00:00'),
      ('TEST/USDT:USDT', 0.5, '2025-05-01 08:00:00', '2025-05-01 08:00:00', '2025-05-03 00:00:00'),
      ('TEST/USDT:USDT', 0.75, '2025-05-01 16:00:00', '2025-05-01 16:00:00', '2025-05-03 00:00:00')`,
    `insert into open_interest_data (symbol, open_interest_value, data_timestamp, timestamp, created_at) values
      ('TEST/USDT:USDT', 100, '2025-05-01 00:00:00', '2025-05-01 00:00:00', '2025-05-03 00:00:00'),
      ('TEST/USDT:USDT', 300, '2025-05-01 01:00:00', '2025-05-01 01:00:00', '2025-05-03 00:00:00'),
      ('TEST/USDT:USDT', 200, '2025-05-01 02:00:00', '2025-05-01 02:00:00', '2025-05-03 00:00:00')`,
  );
  return folder;
}

/** One bar is corrected, one is new, one is gone. */
function change(folder: string): void {
  edit(
    folder,
    `update ohlcv_data set volume = 4 where symbol = 'TEST/USDT:USDT' and timestamp = '2025-05-01 01:00:00.000000'`,
    `delete from ohlcv_data where symbol = 'TEST/USDT:USDT' and timestamp = '2025-05-01 23:00:00.000000'`,
    `insert into ohlcv_data (symbol, timeframe, timestamp, open, high, low, close, volume, created_at) values
      ('TEST/USDT:USDT', '1h', '2025-05-02 01:00:00.000000', 91.5, 99, 91, 98, 5, '2025-05-03 00:00:00')`,
  );
}

function edit(folder: string, ...statements: string[]): void {
  const db = new Database(join(folder, 'trdinger/trdinger.db'));
  for (const statement of statements) db.exec(statement);
  db.close();
}

const DAYS_BEFORE = [
  { day: '2025-05-01', open: 100, high: 130, low: 90, close: 92, volume: 6, bars: 3 },
  { day: '2025-05-02', open: 92, high: 93, low: 91, close: 91.5, volume: 10, bars: 1 },
];
const DAYS_AFTER = [
  { day: '2025-05-01', open: 100, high: 130, low: 95, close: 125, volume: 5, bars: 2 },
  { day: '2025-05-02', open: 92, high: 99, low: 91, close: 98, volume: 15, bars: 2 },
];

const MATERIALIZED_VIEWS = {
  funding_rate_daily: 'm',
  ohlcv_daily: 'm',
  open_interest_daily: 'm',
};

class Target {
  constructor(private readonly platform: Platform) {}

  rows<T extends pg.QueryResultRow>(sql: string): Promise<T[]> {
    return asAdmin(this.platform, 'trdinger', async (client) => (await client.query<T>(sql)).rows);
  }

  license = async () =>
    (await this.rows(`select current_setting('timescaledb.license') as license`))[0]!.license;

  /** Days of the planted series. */
  days = () =>
    this.rows(
      `select to_char(day, 'YYYY-MM-DD') as day, open, high, low, close, volume, bars::int
       from ohlcv_daily where symbol = 'TEST/USDT:USDT' and timeframe = '1h' and day < '2025-06-01' order by day`,
    );

  /** What the views are: a view of a continuous aggregate (`v`) or a materialized view (`m`). */
  async views(): Promise<Record<string, string>> {
    const rows = await this.rows<{ name: string; kind: string }>(
      `select relname as name, relkind as kind from pg_class
       where relnamespace = 'public'::regnamespace and relname like '%\\_daily' order by 1`,
    );
    return Object.fromEntries(rows.map(({ name, kind }) => [name, kind]));
  }

  /** Compressed chunks of all chunks, by whether they are older than their hypertable's age. */
  chunks = () =>
    this.rows(
      `select hypertable_name as table, range_end < now() - interval '60 days' as old, count(*)::int as n,
         count(*) filter (where is_compressed)::int as compressed
       from timescaledb_information.chunks where hypertable_schema = 'public' group by 1, 2 order by 1, 2`,
    );

  /** Chunks that hold rows beside their compressed ones. */
  partial = async () =>
    (await this.rows(`select count(*)::int as n from _timescaledb_catalog.chunk where status & 8 <> 0`))[0]!
      .n;
}

/** What holds in either edition. */
function common(platform: () => Platform, home: () => string, first: () => SystemReport): void {
  const target = () => new Target(platform());

  it('loads and proves the sample', () => {
    expect(first()).toMatchObject({
      ok: true,
      tables: { 'public.ohlcv_data': { read: 206, differences: 0 } },
    });
  });

  it('has hypertables of a year', async () => {
    expect(
      await target().rows(
        `select hypertable_name as table, column_name as column, (extract(epoch from time_interval) / 86400)::int as days
         from timescaledb_information.dimensions where hypertable_schema = 'public' order by 1`,
      ),
    ).toEqual([
      { table: 'funding_rate_data', column: 'funding_timestamp', days: 365 },
      { table: 'ohlcv_data', column: 'timestamp', days: 365 },
      { table: 'open_interest_data', column: 'data_timestamp', days: 365 },
    ]);
  });

  it('has the daily figures of each series', async () => {
    expect(await target().days()).toEqual(DAYS_BEFORE);
    expect(
      await target().rows(
        `select to_char(day, 'YYYY-MM-DD') as day, average, total, settlements::int from funding_rate_daily where symbol = 'TEST/USDT:USDT'`,
      ),
    ).toEqual([{ day: '2025-05-01', average: 0.5, total: 1.5, settlements: 3 }]);
    expect(
      await target().rows(
        `select to_char(day, 'YYYY-MM-DD') as day, unit_guess, open, high, low, close from open_interest_daily where symbol = 'TEST/USDT:USDT'`,
      ),
    ).toEqual([{ day: '2025-05-01', unit_guess: 'contracts', open: 100, high: 300, low: 100, close: 200 }]);
  });

  it('has every bar in them', async () => {
    const [sums] = await target().rows(
      `select (select sum(bars)::int from ohlcv_daily) as ohlcv, (select count(*)::int from ohlcv_data) as bars,
         (select sum(settlements)::int from funding_rate_daily) as funding, (select count(*)::int from funding_rate_data) as rates`,
    );
    expect(sums).toEqual({ ohlcv: 195, bars: 195, funding: 34, rates: 34 });
  });

  it('lets the application read the figures', async () => {
    const [found] = await target().rows(
      `select bool_and(has_table_privilege('trdinger_readonly', name, 'select')) as may
       from unnest(array['ohlcv_daily', 'funding_rate_daily', 'open_interest_daily']) as name`,
    );
    expect(found).toEqual({ may: true });
  });

  it('may repeat what runs after the load', async () => {
    expect(
      await run(platform(), home(), { system: 'trdinger', steps: ['index', 'verify'], budget: 11 }),
    ).toMatchObject({
      ok: true,
    });
    expect(await target().days()).toEqual(DAYS_BEFORE);
  });
}

describe('the Apache edition', () => {
  const platform = inject('platform');
  const target = new Target(platform);
  let home: string;
  let source: string;
  let first: SystemReport;
  beforeAll(async () => {
    home = await scratch();
    source = await sourceWithSeries();
    await dropSystems(platform);
    first = await run(platform, home, { system: 'trdinger', source, budget: 11 });
  });

  it('is what the embedded servers have', async () => {
    expect(await target.license()).toBe('apache');
  });

  common(
    () => platform,
    () => home,
    () => first,
  );

  it('says in the report what it does without', () => {
    expect(first.remarks).toContain(
      'TimescaleDB, Apache edition: materialized views stand in for continuous aggregates, nothing is compressed',
    );
  });

  it('has materialized views, filled after the load', async () => {
    expect(await target.views()).toEqual(MATERIALIZED_VIEWS);
    expect(await target.rows('select bool_and(ispopulated) as filled from pg_matviews')).toEqual([
      { filled: true },
    ]);
  });

  it('compresses nothing', async () => {
    expect(await target.chunks()).toEqual(
      (await target.chunks()).map((each) => ({ ...each, compressed: 0 })),
    );
    expect((await target.chunks()).length).toBeGreaterThan(3);
  });

  it('brings its views up to date after a changed source was loaded', async () => {
    change(source);
    const report = await run(platform, home, { system: 'trdinger', source, budget: 11 });
    expect(report).toMatchObject({
      ok: true,
      tables: {
        'public.ohlcv_data': { inserted: 1, updated: 1, removed: 1, unchanged: 193, differences: 0 },
      },
    });
    expect(await target.days()).toEqual(DAYS_AFTER);
  });
});

describe.skipIf(!TIMESCALE_URL)('the Timescale edition', () => {
  const url = TIMESCALE_URL!;
  const platform: Platform = {
    postgres: url,
    timescale: url,
    redis: [],
    // Of the same version as the embedded servers' tools.
    clientTools: inject('platform').clientTools,
  };
  const target = new Target(platform);
  let home: string;
  let source: string;
  let first: SystemReport;
  beforeAll(async () => {
    home = await scratch();
    source = await sourceWithSeries();
    await dropSystems(platform);
    first = await run(platform, home, { system: 'trdinger', source, budget: 11 });
  });

  it('is what the named server has', async () => {
    expect(await target.license()).toBe('timescale');
  });

  common(
    () => platform,
    () => home,
    () => first,
  );

  it('says so in the report', () => {
    expect(first.remarks).toContain('TimescaleDB, Timescale edition: continuous aggregates and compression');
  });

  it('has continuous aggregates with a policy each', async () => {
    expect(await target.views()).toEqual({
      funding_rate_daily: 'v',
      ohlcv_daily: 'v',
      open_interest_daily: 'v',
    });
    expect(
      await target.rows(
        `select view_name as view, hypertable_name as of from timescaledb_information.continuous_aggregates order by 1`,
      ),
    ).toEqual([
      { view: 'funding_rate_daily', of: 'funding_rate_data' },
      { view: 'ohlcv_daily', of: 'ohlcv_data' },
      { view: 'open_interest_daily', of: 'open_interest_data' },
    ]);
    expect(
      await target.rows(
        `select proc_name as job, count(*)::int as n from timescaledb_information.jobs where proc_name ~ 'policy_(comp|refresh|retention)' group by 1 order by 1`,
      ),
    ).toEqual([
      { job: 'policy_compression', n: 3 },
      { job: 'policy_refresh_continuous_aggregate', n: 3 },
      // No retention: it would delete the history that was just loaded.
    ]);
  });

  it('keeps what is asked for together in one segment', async () => {
    expect(
      await target.rows(
        `select hypertable_name as table, string_agg(attname, ',' order by segmentby_column_index) filter (where segmentby_column_index is not null) as segments,
           string_agg(attname || case when orderby_asc then '' else ' desc' end, ',') filter (where orderby_column_index is not null) as ordered
         from timescaledb_information.compression_settings where hypertable_schema = 'public' group by 1 order by 1`,
      ),
    ).toEqual([
      { table: 'funding_rate_data', segments: 'symbol', ordered: 'funding_timestamp desc' },
      { table: 'ohlcv_data', segments: 'symbol,timeframe', ordered: 'timestamp desc' },
      { table: 'open_interest_data', segments: 'symbol', ordered: 'data_timestamp desc' },
    ]);
  });

  /** All old chunks are compressed, and wholly; the one with today's bar is not. */
  const expectCompressed = async () => {
    const chunks = await target.chunks();
    expect(chunks.map(({ table, old }) => [table, old])).toEqual([
      ['funding_rate_data', true],
      ['ohlcv_data', false],
      ['ohlcv_data', true],
      ['open_interest_data', true],
    ]);
    for (const { old, n, compressed } of chunks) expect(compressed).toBe(old ? n : 0);
    expect(await target.partial()).toBe(0);
  };

  it('compresses the chunks that are old', expectCompressed);

  it('proves the rows of compressed chunks', async () => {
    const { code, stdout } = await cutover(
      platform,
      home,
      ...['verify', '--system', 'trdinger', '--quarantine-budget', '11'],
    );
    expect(stdout).toMatch(/ohlcv_data .* 0$/m);
    expect(code).toBe(0);
  });

  it('loads a changed source into compressed chunks, however many rows that takes through decompression', async () => {
    change(source);
    // Stands for a table that is larger than the limit: the removed row alone wants all rows of its chunk.
    await target.rows(
      'alter role trdinger_migrator in database trdinger set timescaledb.max_tuples_decompressed_per_dml_transaction = 1',
    );
    const loaded = await run(platform, home, {
      system: 'trdinger',
      source,
      budget: 11,
      steps: ['inspect', 'backup', 'preflight', 'provision', 'schema', 'load', 'verify'],
    });
    expect(loaded).toMatchObject({
      ok: true,
      tables: {
        'public.ohlcv_data': { inserted: 1, updated: 1, removed: 1, unchanged: 193, differences: 0 },
      },
    });
  });

  it('then compresses them again and refreshes the aggregates', async () => {
    expect(
      await run(platform, home, { system: 'trdinger', steps: ['index', 'verify'], budget: 11 }),
    ).toMatchObject({
      ok: true,
    });
    expect(await target.days()).toEqual(DAYS_AFTER);
    await expectCompressed();
  });
});
