import type pg from 'pg';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { someone } from '../../bench/cases/queries-instant-search.ts';
import { instantSearchQueries } from '../../bench/queries/instant-search.ts';
import type { Query } from '../../bench/queries/query.ts';
import { trdingerQueries } from '../../bench/queries/trdinger.ts';
import { serverOf, urlFor, withConnection } from '../../jobs/database.ts';
import type { Platform } from '../../jobs/platform.ts';
import { writeSample } from '../../jobs/sample/index.ts';
import { dropSystems, run, scratch, systemNamed } from './harness.ts';

const ROWS = 120_000;
/** Of a smaller table, part or partition a scan is the fastest way. */
const LARGE = 1000;

const STEPS = ['preflight', 'backup', 'provision', 'schema', 'load', 'index'];
let sample: string;
beforeAll(async () => {
  sample = await scratch();
  const rows = {
    ohlcv_data: ROWS,
    funding_rate_data: ROWS / 50,
    open_interest_data: ROWS / 6,
    backtest_results: 2000,
    ga_experiments: 200,
    generated_strategies: 20_000,
    strategy_showcase: 500,
    users: 200,
    study_books: 1000,
    questions: ROWS / 12,
    typing_logs: ROWS / 3,
    learning_events: ROWS / 3,
  };
  await writeSample({ out: sample, seed: 1, rows, systems: ['trdinger', 'instant-search'] });
});

interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly Schema?: string;
  readonly Plans?: readonly Node[];
}

const within = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(within)];

/** Tables, or parts of them, that the plan of a query reads from one end to the other though they are large. */
async function scanned(client: pg.Client, sql: string): Promise<string[]> {
  const explained = await client.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(
    `explain (verbose, format json) ${sql}`,
  );
  const scans = within(explained.rows[0]!['QUERY PLAN'][0].Plan).filter(
    (node) => node['Node Type'] === 'Seq Scan' && node['Relation Name'] !== undefined,
  );
  const { rows } = await client.query<{ name: string }>(
    `select relname as name from unnest($1::text[]) as scan (name) join pg_class on oid = scan.name::regclass
     where reltuples >= $2`,
    [scans.map((node) => `${node.Schema}.${node['Relation Name']}`), LARGE],
  );
  return rows.map(({ name }) => name);
}

/** Every query of a loaded system that does not need all rows goes by an index. */
function goByIndexes(
  platform: () => Platform,
  name: string,
  queries: (client: pg.Client) => Promise<Query[]>,
) {
  const system = systemNamed(name);
  const asked = <T>(use: (client: pg.Client) => Promise<T>) =>
    withConnection(urlFor(serverOf(platform(), system), system.database), use);

  it(`${name} is loaded at size`, async () => {
    const report = await run(platform(), await scratch(), {
      system: name,
      source: sample,
      steps: STEPS,
      budget: 100,
    });
    expect(report).toMatchObject({ ok: true });
  });

  it(`${name}: no query reads a large table from one end to the other`, async () => {
    const found = await asked(async (client) => {
      const plans: Record<string, string[]> = {};
      const all = [
        ...(await queries(client)).filter(({ whole }) => !whole),
        ...system.hotQueries!.map(({ name, sql }) => ({ name: `hot query ${name}`, postgres: [sql] })),
      ];
      for (const { name, postgres } of all) {
        for (const sql of postgres) plans[name] = [...(plans[name] ?? []), ...(await scanned(client, sql))];
      }
      return Object.entries(plans);
    });
    expect(found.length).toBeGreaterThan(12);
    expect(found.filter(([, tables]) => tables.length > 0)).toEqual([]);
  });
}

const trdinger = async () => [...trdingerQueries];
const instantSearch = async (client: pg.Client) => [
  ...instantSearchQueries(await someone({ postgres: client })),
];

describe('on the embedded servers', () => {
  const platform = inject('platform');
  beforeAll(() => dropSystems(platform));
  goByIndexes(() => platform, 'trdinger', trdinger);
  goByIndexes(() => platform, 'instant-search', instantSearch);
});

const TIMESCALE_URL = process.env.CUTOVER_TSL_URL;
describe.skipIf(!TIMESCALE_URL)('on the Timescale edition', () => {
  const platform = { ...inject('platform'), postgres: TIMESCALE_URL!, timescale: TIMESCALE_URL! };
  beforeAll(() => dropSystems(platform));
  goByIndexes(() => platform, 'trdinger', trdinger);
});
