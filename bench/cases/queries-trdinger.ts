import { trdinger } from '../../jobs/systems/trdinger/index.ts';
import type { MakeCase } from '../case.ts';
import { loadedStores } from '../queries/loaded.ts';
import { caseOf, orClose, requireSameRows } from '../queries/peers.ts';
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
  return orClose(stores, async () => {
    await requireSameRows(trdingerQueries, stores);
    return caseOf(
      bench,
      'trdinger',
      `each hot query of trdinger over ${rows} candles, one after the other on one connection`,
      trdingerQueries,
      stores,
    );
  });
};
