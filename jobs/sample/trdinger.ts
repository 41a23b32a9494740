import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { SampleSystem } from './manifest.ts';
import { float, pythonJson } from './python-json.ts';
import { random } from './random.ts';
import { createIndexes, createTable } from './sqlalchemy.ts';
import { SqliteSample, type Value } from './sqlite-store.ts';
import { plantTrdingerHazards } from './trdinger-hazards.ts';
import { TRDINGER_TABLES, type TrdingerTable } from './trdinger-schema.ts';
import {
  BTC,
  backtestConfig,
  basePrice,
  candles,
  DAY,
  ETH,
  equityCurve,
  experimentConfig,
  gene,
  HOUR,
  metrics,
  programTime,
  round,
  serverTime,
  TIMEFRAMES,
  tradeHistory,
} from './trdinger-values.ts';

/** Ordinary rows a table, when nothing else is asked for. */
export const TRDINGER_ROWS: Record<TrdingerTable, number> = {
  ohlcv_data: 140,
  funding_rate_data: 24,
  open_interest_data: 30,
  data_collection_log: 12,
  backtest_results: 6,
  ga_experiments: 5,
  strategy_templates: 4,
  generated_strategies: 10,
  strategy_showcase: 10,
};

/** Ordinary series end here; the planted rows come after it, so that neither number of rows touches the other. */
const END = Date.UTC(2025, 5, 1);
/** When the ordinary rows were fetched and stored. */
const FETCHED = END + 5 * 60_000;

/** A symbol's history is at most this long; more rows make more symbols. */
const LONGEST = 8 * 365 * DAY;
const MORE_COINS = ['SOL', 'XRP', 'ADA', 'DOGE', 'LINK', 'DOT', 'LTC', 'AVAX'];

/** Writes `<folder>/trdinger.db`. */
export function writeTrdinger(
  folder: string,
  seed: number,
  rows: Record<TrdingerTable, number>,
): SampleSystem {
  mkdirSync(folder, { recursive: true });
  const store: TrdingerStore = new SqliteSample(join(folder, 'trdinger.db'), 'trdinger');
  const made: Record<string, number> = {};
  try {
    for (const table of TRDINGER_TABLES) {
      store.execute(createTable(table));
      ORDINARY[table.name](store, seed, rows);
      plantTrdingerHazards(store, seed, table.name);
      // An index is built faster when the rows are there.
      for (const index of createIndexes(table)) store.execute(index);
      made[table.name] = store.count(table.name);
    }
    store.commit();
  } finally {
    store.close();
  }
  store.mark('file', 'trdinger.db', [
    'H15',
    'kept',
    'the file itself: a legacy system can have several of this name',
  ]);
  return { rows: made, hazards: store.hazards };
}

type TrdingerStore = SqliteSample<TrdingerTable>;
type Fill = (store: TrdingerStore, seed: number, rows: Record<TrdingerTable, number>) => void;

const stored = (at: number): Record<string, Value> => ({
  created_at: serverTime(at),
  updated_at: serverTime(at),
});

/** BTC, ETH, and more where `rows` at `step` ms each would reach further back than a market does. */
function symbols(rows: number, step: number): string[] {
  const count = Math.max(2, Math.ceil((rows * step) / LONGEST));
  const coins = ['BTC', 'ETH', ...MORE_COINS];
  return Array.from({ length: count }, (_, at) => `${coins[at] ?? `COIN${at}`}/USDT:USDT`);
}

/** `total` cut into parts by weight, at least one each where that goes; what the rounding leaves goes to the first. */
function shares(total: number, weights: number[]): number[] {
  const sum = weights.reduce((a, b) => a + b, 0);
  const least = total < weights.length ? 0 : 1;
  const parts = weights.map(
    (weight) => least + Math.floor(((total - least * weights.length) * weight) / sum),
  );
  parts[0]! += total - parts.reduce((a, b) => a + b, 0);
  return parts;
}

const ORDINARY: Record<TrdingerTable, Fill> = {
  ohlcv_data(store, seed, { ohlcv_data }) {
    const steps = Object.entries(TIMEFRAMES);
    const aDay = steps.reduce((sum, [, step]) => sum + DAY / step, 0);
    const series = symbols(ohlcv_data, DAY / aDay).flatMap((symbol) =>
      steps.map(([timeframe, step]) => ({ symbol, timeframe, step })),
    );
    const counts = shares(
      ohlcv_data,
      series.map(({ step }) => DAY / step),
    );
    for (const [at, { symbol, timeframe, step }] of series.entries()) {
      const walk = candles(random(seed, 'ohlcv_data', at), basePrice(symbol));
      store.addMany(
        'ohlcv_data',
        { symbol, timeframe, ...stored(FETCHED) },
        ['timestamp', 'open', 'high', 'low', 'close', 'volume'],
        times(counts[at]!, step, (time) => [programTime(time), ...walk.next().value]),
      );
    }
  },

  funding_rate_data(store, seed, { funding_rate_data }) {
    const traded = symbols(funding_rate_data, 8 * HOUR);
    const counts = shares(
      funding_rate_data,
      traded.map(() => 1),
    );
    for (const [at, symbol] of traded.entries()) {
      const values = random(seed, 'funding_rate_data', at);
      store.addMany(
        'funding_rate_data',
        { symbol, timestamp: programTime(FETCHED, 417), ...stored(FETCHED) },
        ['funding_timestamp', 'next_funding_timestamp', 'funding_rate', 'mark_price', 'index_price'],
        times(counts[at]!, 8 * HOUR, (time) => {
          const mark = round(basePrice(symbol) * (0.97 + values.next() * 0.06), 2);
          const rate = round((values.next() - 0.3) * 0.0004, 8);
          return [programTime(time), programTime(time + 8 * HOUR), rate, mark, round(mark * 0.9998, 2)];
        }),
      );
    }
  },

  open_interest_data(store, seed, { open_interest_data }) {
    const traded = symbols(open_interest_data, HOUR);
    const counts = shares(
      open_interest_data,
      traded.map(() => 1),
    );
    for (const [at, symbol] of traded.entries()) {
      const values = random(seed, 'open_interest_data', at);
      store.addMany(
        'open_interest_data',
        { symbol, timestamp: programTime(FETCHED, 902), ...stored(FETCHED) },
        ['data_timestamp', 'open_interest_value'],
        times(counts[at]!, HOUR, (time) => [programTime(time), round(4e9 + values.next() * 2e9, 4)]),
      );
    }
  },

  data_collection_log(store, seed, rows) {
    addEach(store, 'data_collection_log', rows, (at) => {
      const values = random(seed, 'data_collection_log', at);
      const end = FETCHED - (at % 30) * DAY;
      const failed = at % 6 === 5;
      return {
        symbol: values.pick([BTC, ETH]),
        timeframe: values.pick(Object.keys(TIMEFRAMES)),
        // A failing batch can log a start after its end.
        start_time: programTime(failed ? end + HOUR : end - 30 * DAY),
        end_time: programTime(end),
        records_collected: failed ? 0 : values.int(1, 1000),
        status: failed ? 'error' : 'success',
        error_message: failed ? '取引所への接続がタイムアウトしました (30秒)' : null,
        created_at: serverTime(end),
      };
    });
  },

  backtest_results(store, seed, rows) {
    addEach(store, 'backtest_results', rows, (at) => {
      const values = random(seed, 'backtest_results', at);
      const timeframe = values.pick(['1h', '4h', '1d'] as const);
      const step = TIMEFRAMES[timeframe];
      const start = END - 60 * DAY;
      const bars = values.int(6, 12);
      const { name, config } = backtestConfig(values);
      return {
        strategy_name: name,
        symbol: values.pick([BTC, ETH]),
        timeframe,
        start_date: programTime(start),
        end_date: programTime(start + bars * step),
        initial_capital: 100_000,
        commission_rate: 0.001,
        config_json: config,
        performance_metrics: pythonJson(metrics(values)),
        equity_curve: equityCurve(values, start, step, bars),
        trade_history: tradeHistory(values, start, step, Math.floor(bars / 4)),
        execution_time: at % 2 === 0 ? null : round(values.next() * 12, 6),
        status: 'completed',
        error_message: null,
        ...stored(FETCHED + at * 1000),
      };
    });
  },

  ga_experiments(store, seed, rows) {
    addEach(store, 'ga_experiments', rows, (at) => {
      const values = random(seed, 'ga_experiments', at);
      const status = ['completed', 'starting', 'error', 'cancelled'][at % 4]!;
      const done = status === 'completed';
      const created = FETCHED + at * 60_000;
      return {
        name: `BTC戦略探索 第${at + 1}回`,
        config: experimentConfig(values),
        status,
        progress: done ? 1 : round(values.next() * 0.9, 2),
        best_fitness: done ? values.next() : null,
        total_generations: 50,
        current_generation: done ? 50 : values.int(0, 40),
        created_at: serverTime(created),
        completed_at:
          status === 'starting'
            ? null
            : programTime(created + values.int(1000, 3_000_000), values.int(0, 999)),
      };
    });
  },

  strategy_templates(store, seed, rows) {
    addEach(store, 'strategy_templates', rows, (at) => {
      const values = random(seed, 'strategy_templates', at);
      return {
        name: `テンプレート${at + 1}`,
        description: at % 3 === 2 ? null : '初心者向けの移動平均クロス。まずはここから。',
        category: values.pick(CATEGORIES),
        config_json: backtestConfig(values).config,
        is_public: at % 2,
        created_at: serverTime(FETCHED),
      };
    });
  },

  generated_strategies(store, seed, rows) {
    const experiments = Math.max(1, rows.ga_experiments);
    addEach(store, 'generated_strategies', rows, (at) => {
      const values = random(seed, 'generated_strategies', at);
      const first = at % 8 === 0;
      return {
        experiment_id: (Math.floor(at / 8) % experiments) + 1,
        // Gene ids repeat: the fittest gene of a generation is stored again in the next.
        gene_data: gene(values, at % 8 === 1 ? 'a11ce0de' : undefined),
        generation: 50 - (at % 3),
        fitness_score: at % 5 === 4 ? 0 : values.next(),
        // Python's None in a JSON column.
        parent_ids: first ? 'null' : pythonJson([at, values.int(1, at)]),
        backtest_result_id: first && rows.backtest_results > 0 ? values.int(1, rows.backtest_results) : null,
        created_at: serverTime(FETCHED + at * 1000),
      };
    });
  },

  strategy_showcase(store, seed, rows) {
    addEach(store, 'strategy_showcase', rows, (at) => {
      const values = random(seed, 'strategy_showcase', at);
      const indicator = values.pick(['RSI', 'MACD', 'SMA', 'EMA', 'CCI', 'ADX']);
      const parameters = {
        [indicator]: { period: values.int(7, 40), threshold: float(round(values.next() * 2, 2)) },
      };
      return {
        name: `${indicator} ショーケース ${at + 1}`,
        description: `${indicator}を使った戦略。相場の流れが変わるところを狙います。`,
        category: values.pick(CATEGORIES),
        indicators: pythonJson([indicator]),
        parameters: pythonJson(parameters),
        expected_return: round(values.next() * 40, 2),
        sharpe_ratio: round(values.next() * 4, 3),
        max_drawdown: round(values.next() * 25, 2),
        win_rate: round(40 + values.next() * 40, 1),
        gene_data: pythonJson({ indicators: [indicator], parameters, conditions: [] }),
        backtest_result_id:
          at % 3 === 0 && rows.backtest_results > 0 ? values.int(1, rows.backtest_results) : null,
        risk_level: values.pick(['low', 'medium', 'high']),
        recommended_timeframe: values.pick(Object.keys(TIMEFRAMES)),
        is_active: at % 7 === 6 ? 0 : 1,
        ...stored(FETCHED),
      };
    });
  },
};

const CATEGORIES = ['trend_following', 'mean_reversion', 'breakout', 'range_trading', 'momentum'];

/** `count` rows at every `step` ms up to END, oldest first. */
function* times(count: number, step: number, row: (time: number) => Value[]): Generator<Value[]> {
  for (let left = count; left > 0; left--) yield row(END - left * step);
}

/** The ordinary rows of a table whose records are made one by one. */
function addEach(
  store: TrdingerStore,
  table: TrdingerTable,
  rows: Record<TrdingerTable, number>,
  record: (at: number) => Record<string, Value>,
): void {
  if (rows[table] === 0) return;
  const columns = Object.keys(record(0));
  const values = function* () {
    for (let at = 0; at < rows[table]; at++) yield Object.values(record(at));
  };
  store.addMany(table, {}, columns, values());
}
