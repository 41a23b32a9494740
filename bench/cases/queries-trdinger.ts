import { join } from 'node:path';
import { trdinger } from '../../jobs/systems/trdinger/index.ts';
import type { MakeCase } from '../case.ts';
import { loadedStores } from '../queries/loaded.ts';
import { keepPlans, peersOf, requireSameRows } from '../queries/peers.ts';
import { trdingerQueries } from '../queries/trdinger.ts';

/** trdinger's hot queries on both sides; the plans of the target are kept in `explain/trdinger`. */
export const make: MakeCase = async (bench) => {
  const rows = bench.rows ?? 1_000_000;
  const stores = await loadedStores(bench, trdinger, {
    ohlcv_data: rows,
    funding_rate_data: Math.ceil(rows / 50),
    open_interest_data: Math.ceil(rows / 7),
    backtest_results: 2000,
    ga_experiments: 200,
    generated_strategies: 20_000,
    strategy_showcase: 500,
  });
  await requireSameRows(trdingerQueries, stores);
  await keepPlans(join(bench.folder, 'explain', 'trdinger'), trdingerQueries, stores.postgres);
  const peers = peersOf(trdingerQueries, stores);
  return {
    name: 'queries-trdinger',
    what: `each hot query of trdinger over ${rows} candles, one after the other on one connection`,
    rows: 1,
    against: peers[0]!.name,
    peers,
    close: async () => {
      stores.sqlite.close();
      await stores.postgres.end();
    },
  };
};
