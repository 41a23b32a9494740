import { beforeEach, describe, expect, inject, it } from 'vitest';
import type { Field, SystemMapping } from '../../jobs/engine/mapping.ts';
import { PLAN } from '../../jobs/plan.ts';
import type { SystemReport } from '../../jobs/report.ts';
import { runSteps } from '../../jobs/run.ts';
import { Secrets } from '../../jobs/secrets.ts';
import { asAdmin, dropSystems, LEGACY, scratch, systemNamed } from './harness.ts';
import { BUDGET } from './proof.ts';

const platform = inject('platform');

/** The whole plan with a mapping in which one contract is another. */
async function runWith(system: SystemMapping): Promise<SystemReport> {
  const home = await scratch();
  const secrets = await Secrets.open(home);
  const report = await runSteps([system], PLAN, () => ({
    system,
    platform,
    home,
    secrets,
    sources: { folders: [LEGACY], stores: new Map() },
    batchRows: 10_000,
    threads: 1,
    partRows: 1,
    budget: BUDGET,
    dryRun: false,
    log: () => {},
  }));
  return report.systems[system.name]!;
}

function withContract(table: string, column: string, change: (field: Field) => Field): SystemMapping {
  const system = systemNamed('trdinger');
  const tables = system.tables.map((mapping) =>
    mapping.table === table
      ? {
          ...mapping,
          fields: mapping.fields.map((field) => (field.column === column ? change(field) : field)),
        }
      : mapping,
  );
  expect(tables).not.toEqual(system.tables);
  return { ...system, tables };
}

describe('a contract that is wrong in the same way for load and verify', () => {
  beforeEach(() => dropSystems(platform));

  it.each([
    {
      name: 'adds one to a price',
      table: 'ohlcv_data',
      column: 'open',
      wrong: (value: number) => value + 1,
      failed: ['min(open)', 'max(open)', 'sum(open)'],
    },
    {
      name: 'reads UTC as Japanese time',
      table: 'data_collection_log',
      column: 'start_time',
      wrong: (value: number | bigint) => BigInt(value) - 32_400_000_000n,
      failed: ['min(start_time)', 'max(start_time)', 'sum of seconds(start_time)'],
    },
    {
      name: 'takes an empty text for null',
      table: 'strategy_showcase',
      column: 'description',
      wrong: () => null,
      failed: ['count(description)', 'min(description)', 'max(description)', 'distinct(description)'],
    },
    {
      name: 'rounds to eight digits',
      table: 'funding_rate_data',
      column: 'funding_rate',
      wrong: (value: number) => Number(value.toFixed(7)),
      failed: ['min(funding_rate)', 'max(funding_rate)', 'sum(funding_rate)'],
    },
  ])('$name: the rows agree, the engines do not', async ({ table, column, wrong, failed }) => {
    const report = await runWith(
      withContract(table, column, (field) => ({
        ...field,
        // biome-ignore lint/suspicious/noExplicitAny: each case knows its own value
        convert: (raw, scope) => (wrong as (value: any) => unknown)(field.convert(raw, scope)),
      })),
    );
    const { differences, compared } = report.tables[`public.${table}`]!;
    expect({ differences, compared: compared > 0 }).toEqual({ differences: 0, compared: true });
    expect(report.checks.filter((check) => !check.ok).map((check) => [check.table, check.name])).toEqual(
      failed.map((check) => [table, check]),
    );
    expect(report.error).toMatchObject({ exitCode: 7 });
    expect(report.error!.message).toContain(`check ${failed[0]} of ${table}`);
  });

  it('reads the wrong column: neither sees it, values written down here do', async () => {
    const report = await runWith(withContract('ohlcv_data', 'open', (field) => ({ ...field, from: 'high' })));
    expect(report.error).toBeUndefined();
    expect(await firstBar()).not.toEqual(FIRST_BAR);
  });

  it('the right ones: everything agrees', async () => {
    const report = await runWith(systemNamed('trdinger'));
    expect(report.error).toBeUndefined();
    expect(report.checks.filter((check) => !check.ok)).toEqual([]);
    expect(await firstBar()).toEqual(FIRST_BAR);
  });
});

/** What the sample has in its first row, read with another program. */
const FIRST_BAR = {
  symbol: 'BTC/USDT:USDT',
  timeframe: '15m',
  timestamp: '2025-05-31 13:30:00+00',
  open: '104000',
  high: '104056.35',
  low: '103846.14',
  close: '104039.58',
  volume: '2046.216',
};

async function firstBar(): Promise<Record<string, string>> {
  return asAdmin(platform, 'trdinger', async (client) => {
    const { rows } = await client.query(
      `select symbol, timeframe, timestamp::text, open::text, high::text, low::text, close::text, volume::text
       from ohlcv_data where legacy_id = 1`,
    );
    return rows[0];
  });
}
