import type { Mark } from './manifest.ts';
import { float, pythonJson } from './python-json.ts';
import { type Random, random } from './random.ts';
import type { SqliteSample, Value } from './sqlite-store.ts';
import type { TrdingerTable } from './trdinger-schema.ts';
import {
  BTC,
  basePrice,
  type Candle,
  candles,
  DAY,
  ETH,
  equityCurve,
  experimentConfig,
  gene,
  HOUR,
  MINUTE,
  metrics,
  programTime,
  round,
  serverTime,
  tradeHistory,
} from './trdinger-values.ts';

type TrdingerStore = SqliteSample<TrdingerTable>;

/** Planted rows lie between the last ordinary row and their own collection on 12 June. */
const day = (ofJune: number, hour = 0): number => Date.UTC(2025, 5, ofJune, hour);
const COLLECTED = day(12, 3) + 5 * MINUTE;
const STORED = { created_at: serverTime(COLLECTED), updated_at: serverTime(COLLECTED) };

/** Adds the rows of one table that show a hazard, and the plain rows they need beside them. */
export function plantTrdingerHazards(store: TrdingerStore, seed: number, table: TrdingerTable): void {
  PLANT[table](store, random(seed, `${table} hazards`));
}

const PLANT: Record<TrdingerTable, (store: TrdingerStore, random: Random) => void> = {
  ohlcv_data(store, random) {
    const walks = { [BTC]: candles(random, basePrice(BTC)), [ETH]: candles(random, basePrice(ETH)) };
    const next = (symbol: typeof BTC | typeof ETH): Candle => walks[symbol]!.next().value;
    const add = (
      symbol: string,
      timeframe: string,
      timestamp: number | string,
      candle: Candle,
      ...marks: Mark[]
    ) => {
      const [open, high, low, close, volume] = candle;
      const text = typeof timestamp === 'string' ? timestamp : programTime(timestamp);
      store.add(
        'ohlcv_data',
        { symbol, timeframe, timestamp: text, open, high, low, close, volume, ...STORED },
        ...marks,
      );
    };

    // A day and two hours of one series with a gap; the aliases below meet its second and third bar.
    const first: Candle[] = [];
    for (let hour = 0; hour < 26; hour++) {
      const candle = next(BTC);
      first.push(candle);
      if (hour >= 20 && hour < 23) continue;
      const gap: Mark[] =
        hour === 23 ? [['H11', 'kept', 'three hourly bars are missing before this one']] : [];
      add(BTC, '1h', day(2, hour), candle, ...gap);
    }
    const [, equal, different] = first as [Candle, Candle, Candle];
    add('BTCUSDT', '1h', day(2, 1), equal, ['H1', 'merged', 'alias of a stored bar, equal prices']);
    const [open, high, low, close, volume] = different;
    add(
      'BTC/USDT',
      '1h',
      day(2, 2),
      [open, high, low, round((close + low) / 2, 2), volume * 2],
      ['H1', 'merged', 'alias of a stored bar, another close and volume'],
    );
    add('ETHUSDT', '1h', day(2, 5), next(ETH), [
      'H1',
      'merged',
      'alias that was stored before the canonical bar',
    ]);
    add(ETH, '1h', day(2, 5), next(ETH));

    for (const [symbol, hour] of [
      ['BTCUSDT', 0],
      ['BTC-USDT', 1],
      ['BTCUSDT_PERP', 2],
      ['BTC/USDT', 3],
    ] as const) {
      add(symbol, '1h', day(5, hour), next(BTC), ['H1', 'kept', `${symbol} with no other bar of that hour`]);
    }
    add('BTCUSDT', '1h', day(5, 3), next(BTC), [
      'H1',
      'merged',
      'second alias of one hour, no canonical bar',
    ]);
    for (const [symbol, hour] of [
      ['ETHUSDT', 0],
      ['ETH-USDT', 1],
      ['ETHUSDT_PERP', 2],
      ['ETH/USDT', 3],
    ] as const) {
      add(symbol, '1h', day(5, hour), next(ETH), ['H1', 'kept', `${symbol} with no other bar of that hour`]);
    }

    add(BTC, '1h', '2025-06-06 00:00:00', next(BTC), ['H2', 'kept', 'bar time without a fraction']);
    add(BTC, '1h', day(6, 0), next(BTC), [
      'H2',
      'merged',
      'the same instant as the bar before, in the other text form',
    ]);
    add(BTC, '1h', programTime(day(6, 1) + 123, 456), next(BTC), [
      'H2',
      'noted',
      'bar time with a fraction of a second',
    ]);

    add(BTC, '1h', day(12, 11), next(BTC), [
      'H3',
      'FUTURE_TIMESTAMP',
      'hourly bar of eight hours after its created_at',
    ]);
    add(ETH, '1d', day(6, 9), next(ETH), ['H3', 'MISALIGNED_TIMESTAMP', 'daily bar at 09:00']);
    add(ETH, '4h', day(6, 1), next(ETH), ['H3', 'MISALIGNED_TIMESTAMP', 'four-hour bar at 01:00']);
    const second: Candle[] = [];
    for (let hour = 0; hour < 12; hour++) {
      const shifted = hour === 9 || hour === 10;
      const candle = shifted ? second[hour - 9]! : next(BTC);
      second.push(candle);
      const marks: Mark[] = shifted ? [['H3', 'SHIFTED_COPY', 'repeats the bar of nine hours before']] : [];
      add(BTC, '1h', day(9, hour), candle, ...marks);
    }

    const traded = (candle: Candle, volume: number): Candle => [
      candle[0],
      candle[1],
      candle[2],
      candle[3],
      volume,
    ];
    add(BTC, '1h', day(10, 0), traded(next(BTC), Number.POSITIVE_INFINITY), [
      'H4',
      'noted',
      'volume Infinity',
    ]);
    add(BTC, '1h', day(10, 1), traded(next(BTC), 5e-324), [
      'H14',
      'kept',
      'volume 5e-324, the smallest double',
    ]);
    add(BTC, '1h', day(10, 2), traded(next(BTC), -0), [
      'H14',
      'kept',
      'volume written as -0.0, which SQLite stores as 0.0',
    ]);

    add(ETH, '1d', day(7), next(ETH));
    add(ETH, '1D', day(7), next(ETH), ['H13', 'merged', 'timeframe 1D beside a 1d bar of the same day']);
    add(ETH, '1D', day(8), next(ETH), ['H13', 'kept', 'timeframe 1D alone']);
    add(BTC, '1h', day(12, 3), next(BTC), [
      'H11',
      'kept',
      'unfinished bar: stored five minutes after it began',
    ]);
  },

  funding_rate_data(store, random) {
    const add = (
      symbol: string,
      time: number,
      rate: number,
      marks: Mark[],
      other: Record<string, Value> = {},
    ) => {
      const mark_price = round(basePrice(symbol) * (0.98 + random.next() * 0.04), 2);
      const row = {
        symbol,
        funding_rate: rate,
        funding_timestamp: programTime(time),
        timestamp: programTime(COLLECTED, 88),
        next_funding_timestamp: programTime(time + 8 * HOUR),
        mark_price,
        index_price: round(mark_price * 0.9999, 2),
        ...STORED,
        ...other,
      };
      store.add('funding_rate_data', row, ...marks);
      return row;
    };

    const plain = add(BTC, day(2), 0.000125, []);
    add('BTCUSDT', day(2), 0.000125, [['H1', 'merged', 'alias of a stored rate, equal']], {
      mark_price: plain.mark_price,
      index_price: plain.index_price,
    });
    add(BTC, day(2, 8), 0.00009, []);
    add('BTC/USDT', day(2, 8), 0.00011, [['H1', 'merged', 'alias of a stored rate, another rate']]);
    add('ETH/USDT', day(2, 8), 0.00007, [['H1', 'kept', 'ETH/USDT with no other rate of that time']]);
    add(BTC, day(3), 1e-5, [['H9', 'kept', 'rate 1e-05']]);
    add(BTC, day(3, 8), 1.25e-8, [['H9', 'kept', 'rate 1.25e-08']]);
    add(BTC, day(3, 16), 0, [['H9', 'kept', 'rate 0.0, a filler']]);
    add(BTC, day(4), 0.0001, [['H10', 'kept', 'index_price NULL where the exchange said 0']], {
      index_price: null,
    });
    add(BTC, day(4, 8), 0.0001, [['S3', 'BAD_TIMESTAMP', "timestamp is the text 'yesterday'"]], {
      timestamp: 'yesterday',
    });
  },

  open_interest_data(store, random) {
    const add = (symbol: string, time: number, value: Value, ...marks: Mark[]) =>
      store.add(
        'open_interest_data',
        {
          symbol,
          open_interest_value: value,
          data_timestamp: programTime(time),
          timestamp: programTime(COLLECTED, 131),
          ...STORED,
        },
        ...marks,
      );

    const quote = () => round(1e9 + random.next() * 1e8, 4);
    const value = quote();
    add(BTC, day(2), value);
    add('BTCUSDT', day(2), value, ['H1', 'merged', 'alias of a stored value, equal']);
    add(BTC, day(2, 1), quote());
    add('BTC/USDT', day(2, 1), quote(), ['H1', 'merged', 'alias of a stored value, another value']);
    add('ETHUSDT', day(2, 1), quote(), ['H1', 'kept', 'ETHUSDT with no other value of that hour']);
    add(BTC, day(3), quote(), ['H8', 'kept', 'quote value, about 1e9']);
    add(BTC, day(3, 1), round(5e4 + random.next() * 5e3, 3), [
      'H8',
      'kept',
      'number of contracts, about 5e4',
    ]);
    add(BTC, day(3, 2), 'n/a', ['S1', 'WRONG_STORAGE_CLASS', "open_interest_value is the text 'n/a'"]);
  },

  data_collection_log(store) {
    const add = (error_message: string, mark: Mark) =>
      store.add(
        'data_collection_log',
        {
          symbol: BTC,
          timeframe: '1h',
          start_time: programTime(day(11)),
          end_time: programTime(day(12)),
          records_collected: 0,
          status: 'error',
          error_message,
          created_at: serverTime(COLLECTED),
        },
        mark,
      );
    const long = '取得に失敗しました。再試行しています。'.repeat(50).slice(0, 800);
    add(long, ['H6', 'kept', 'error_message of 800 characters in a VARCHAR(500)']);
    add('応答が途中で切れました: \u0000\u0000 (2 bytes)', [
      'X4',
      'NUL_CHARACTER',
      'error_message with two U+0000',
    ]);
  },

  backtest_results(store, random) {
    const add = (other: Record<string, Value>, mark: Mark) => {
      const start = day(1);
      store.add(
        'backtest_results',
        {
          strategy_name: 'RSI',
          symbol: 'BTC/USDT',
          timeframe: '1h',
          start_date: programTime(start),
          end_date: programTime(start + DAY),
          initial_capital: 100_000,
          commission_rate: 0.001,
          config_json: pythonJson({ strategy_config: { strategy_type: 'RSI', parameters: { period: 14 } } }),
          performance_metrics: pythonJson(metrics(random)),
          equity_curve: equityCurve(random, start, HOUR, 6),
          trade_history: tradeHistory(random, start, HOUR, 2),
          execution_time: null,
          status: 'completed',
          error_message: null,
          ...STORED,
          ...other,
        },
        mark,
      );
    };
    const none = float(Number.NaN);
    const zeroTrades = {
      total_return: float(0),
      sharpe_ratio: none,
      max_drawdown: float(-0),
      win_rate: none,
      total_trades: 0,
      equity_final: float(100_000),
      sortino_ratio: none,
      calmar_ratio: none,
    };
    add({ performance_metrics: pythonJson(zeroTrades), trade_history: '[]' }, [
      'H4',
      'noted',
      'no trades: four NaN tokens in performance_metrics',
    ]);
    add(
      {
        performance_metrics: pythonJson({
          total_return: float(3.5),
          sharpe_ratio: float(Number.NEGATIVE_INFINITY),
          max_drawdown: float(-0.25),
          total_trades: 1,
          win_rate: float(100),
          profit_factor: float(Number.POSITIVE_INFINITY),
        }),
      },
      ['H4', 'noted', 'Infinity and -Infinity tokens in performance_metrics (older shape)'],
    );
    add({ performance_metrics: pythonJson({ ...metrics(random), max_drawdown: float(-0) }) }, [
      'H14',
      'kept',
      'max_drawdown -0.0 in performance_metrics',
    ]);
    add({ strategy_name: '移動平均クロスと出来高の組み合わせ'.repeat(10).slice(0, 150) }, [
      'H6',
      'kept',
      'strategy_name of 150 characters in a VARCHAR(100)',
    ]);
    add(
      { config_json: pythonJson({ strategy_config: { strategy_type: 'RSI', memo: 'before\u0000after' } }) },
      ['X4', 'NUL_CHARACTER', 'the escape \\u0000 in config_json'],
    );
  },

  ga_experiments(store, random) {
    const add = (name: string, status: string, best_fitness: number | null, mark: Mark) =>
      store.add(
        'ga_experiments',
        {
          name,
          config: experimentConfig(random),
          status,
          progress: status === 'completed' ? 1 : 0,
          best_fitness,
          total_generations: 30,
          current_generation: status === 'completed' ? 30 : 0,
          created_at: serverTime(COLLECTED),
          completed_at: status === 'starting' ? null : programTime(COLLECTED + HOUR, 409),
        },
        mark,
      );
    add('自動戦略テスト', 'completed', 0.61, ['H12', 'kept', 'one of two experiments of this name']);
    add('自動戦略テスト', 'starting', null, ['H12', 'kept', 'the other experiment of this name']);
    add('評価値が発散した実験', 'error', Number.NEGATIVE_INFINITY, ['H4', 'noted', 'best_fitness -Infinity']);
  },

  strategy_templates(store) {
    store.add('strategy_templates', {
      name: '空のテンプレート',
      description: '',
      category: null,
      config_json: '{}',
      is_public: null,
      created_at: serverTime(COLLECTED),
    });
  },

  generated_strategies(store, random) {
    const add = (other: Record<string, Value>, mark: Mark) =>
      store.add(
        'generated_strategies',
        {
          experiment_id: 1,
          gene_data: gene(random),
          generation: 30,
          fitness_score: round(random.next(), 4),
          parent_ids: '[1, 2]',
          backtest_result_id: null,
          created_at: serverTime(COLLECTED),
          ...other,
        },
        mark,
      );
    const experiment = missing(store, 'ga_experiments', 999);
    const backtest = missing(store, 'backtest_results', 777);
    add({ parent_ids: 'null' }, ['H5', 'kept', 'parent_ids is the JSON text null']);
    add({ parent_ids: null }, ['H5', 'kept', 'parent_ids is SQL NULL']);
    add({ experiment_id: experiment }, ['H7', 'ORPHAN_EXPERIMENT', `no experiment ${experiment}`]);
    add({ backtest_result_id: backtest }, ['H7', 'noted', `no backtest ${backtest}; the experiment exists`]);
  },

  strategy_showcase(store) {
    const add = (name: string, other: Record<string, Value>, mark: Mark) =>
      store.add(
        'strategy_showcase',
        {
          name,
          description: '見本です。',
          category: 'momentum',
          indicators: '["RSI"]',
          parameters: '{"RSI": {"period": 14, "threshold": 0.5}}',
          expected_return: 12.5,
          sharpe_ratio: 1.25,
          max_drawdown: 8.75,
          win_rate: 55.5,
          gene_data:
            '{"indicators": ["RSI"], "parameters": {"RSI": {"period": 14, "threshold": 0.5}}, "conditions": []}',
          backtest_result_id: null,
          risk_level: 'medium',
          recommended_timeframe: '1h',
          is_active: 1,
          ...STORED,
          ...other,
        },
        mark,
      );
    const backtest = missing(store, 'backtest_results', 777);
    add('消えたバックテスト', { backtest_result_id: backtest }, ['H7', 'noted', `no backtest ${backtest}`]);
    const halfACharacter = Buffer.concat([Buffer.from('途中で切れた文字: '), Buffer.from([0xe6, 0x88])]);
    add('壊れた説明', { description: halfACharacter }, [
      'S2',
      'INVALID_UTF8',
      'description ends within a character',
    ]);
  },
};

/** `id`, or where a large sample has such a row, an id above all of them. */
function missing(store: TrdingerStore, table: TrdingerTable, id: number): number {
  const last = store.lastId(table);
  return last < id ? id : last + id;
}
