import { float, type PythonValue, pythonJson } from './python-json.ts';
import type { Random } from './random.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** The timeframes that the legacy collector fetched, with their length in ms. */
export const TIMEFRAMES = {
  '15m': 15 * MINUTE,
  '30m': 30 * MINUTE,
  '1h': HOUR,
  '4h': 4 * HOUR,
  '1d': DAY,
} as const;

export const BTC = 'BTC/USDT:USDT';
export const ETH = 'ETH/USDT:USDT';

/** The program's datetime text: always six digits, no zone. `micros` are added to the milliseconds of `ms`. */
export const programTime = (ms: number, micros = 0): string => {
  const iso = new Date(ms).toISOString();
  return `${iso.slice(0, 10)} ${iso.slice(11, 23)}${String(micros).padStart(3, '0')}`;
};

/** The server default's datetime text (CURRENT_TIMESTAMP): whole seconds, no zone. */
export const serverTime = (ms: number): string => programTime(ms).slice(0, 19);

/** The datetime text inside JSON columns (Python's isoformat of a naive value at a whole second). */
export const isoTime = (ms: number): string => new Date(ms).toISOString().slice(0, 19);

export const round = (value: number, digits: number): number =>
  Math.round(value * 10 ** digits) / 10 ** digits;

/** Open, high, low, close and volume. */
export type Candle = [open: number, high: number, low: number, close: number, volume: number];

/** An endless random walk around `base`, with low ≤ open, close ≤ high. */
export function* candles(random: Random, base: number): Generator<Candle, never> {
  let price = base;
  for (;;) {
    const open = price;
    // Pulled back towards `base`, or a long walk would end at nothing.
    price = round(open * (1 + (random.next() - 0.5) * 0.012) + (base - open) * 0.002, 2);
    const high = round(Math.max(open, price) * (1 + random.next() * 0.003), 2);
    const low = round(Math.min(open, price) * (1 - random.next() * 0.003), 2);
    yield [open, high, low, price, round(random.next() * 2500 + 10, 3)];
  }
}

/** A price to start from. */
export const basePrice = (symbol: string): number =>
  symbol.startsWith('BTC') ? 104_000 : symbol.startsWith('ETH') ? 2_600 : 150;

const INDICATORS = [
  'SMA',
  'EMA',
  'RSI',
  'MACD',
  'BB',
  'STOCH',
  'CCI',
  'WILLIAMS',
  'ADX',
  'KAMA',
  'NATR',
  'OBV',
];
const OPERATORS = ['>', '<', '>=', '<=', '==', 'cross_above', 'cross_below'];
const SERIES = ['open', 'high', 'low', 'close', 'volume', 'OpenInterest', 'FundingRate'];

/** gene_data, shape A: a generated strategy. */
export function gene(random: Random, id = random.hex(8)): string {
  const indicators = Array.from({ length: random.int(1, 4) }, () => {
    const type = random.pick(INDICATORS);
    const parameters: PythonValue = type === 'OBV' ? {} : { period: random.int(5, 60) };
    return { type, parameters, enabled: true };
  });
  const conditions = () =>
    Array.from({ length: random.int(1, 2) }, () => ({
      left_operand: random.pick([...SERIES, ...indicators.map(({ type }) => type)]),
      operator: random.pick(OPERATORS),
      right_operand: random.next() < 0.4 ? float(random.next() * 2) : random.pick(SERIES),
    }));
  return pythonJson({
    id,
    indicators,
    entry_conditions: conditions(),
    exit_conditions: conditions(),
    risk_management: {
      stop_loss: float(0.01 + random.next() * 0.04),
      take_profit: float(0.02 + random.next() * 0.08),
      position_size: float(0.1 + random.next() * 0.4),
    },
    metadata: { generated_by: 'RandomGeneGenerator' },
  });
}

export function experimentConfig(random: Random): string {
  return pythonJson({
    population_size: random.pick([20, 50, 100, 200]),
    generations: random.pick([10, 30, 50, 100]),
    crossover_rate: float(0.8),
    mutation_rate: float(0.1),
    elite_size: random.int(2, 20),
    fitness_weights: {
      total_return: float(0.3),
      sharpe_ratio: float(0.4),
      max_drawdown: float(0.2),
      win_rate: float(0.1),
    },
    primary_metric: 'sharpe_ratio',
    max_indicators: 5,
    allowed_indicators: INDICATORS.slice(0, 9),
    parameter_ranges: { SMA_period: [5, 200], RSI_period: [10, 30], MACD_fast: [5, 20], MACD_slow: [20, 50] },
    fitness_constraints: { min_trades: 10, max_drawdown_limit: float(0.3), min_sharpe_ratio: float(0.5) },
    parallel_processes: null,
    random_state: random.pick([null, 42]),
    log_level: 'INFO',
    save_intermediate_results: true,
  });
}

/** performance_metrics of a backtest with trades; the drawdown is a negative percentage. */
export function metrics(random: Random): Record<string, PythonValue> {
  const total = random.next() * 60 - 20;
  return {
    total_return: float(total),
    sharpe_ratio: float(total / 8 + random.next()),
    max_drawdown: float(-1 - random.next() * 30),
    win_rate: float(30 + random.next() * 40),
    total_trades: random.int(5, 120),
    equity_final: float(100_000 * (1 + total / 100)),
    buy_hold_return: float(random.next() * 40 - 10),
    exposure_time: float(random.next() * 100),
    sortino_ratio: float(total / 6),
    calmar_ratio: float(total / 12),
  };
}

/** One element a bar. */
export function equityCurve(random: Random, start: number, step: number, bars: number): string {
  let equity = 100_000;
  let peak = equity;
  return pythonJson(
    Array.from({ length: bars }, (_, bar) => {
      if (bar > 0) equity = round(equity * (1 + (random.next() - 0.5) * 0.02), 5);
      peak = Math.max(peak, equity);
      return {
        timestamp: isoTime(start + bar * step),
        equity: float(equity),
        drawdown_pct: float(((peak - equity) / peak) * 100),
      };
    }),
  );
}

/** Long and short (negative size) trades; the last one is still open and has no exit time. */
export function tradeHistory(random: Random, start: number, step: number, trades: number): string {
  return pythonJson(
    Array.from({ length: trades }, (_, trade) => {
      const size = trade % 2 === 0 ? 2 : -2;
      const entry = round(100_000 + random.next() * 8_000, 2);
      const exit = round(entry * (1 + (random.next() - 0.5) * 0.05), 2);
      return {
        size: float(size),
        entry_price: float(entry),
        exit_price: float(exit),
        pnl: float(size * (exit - entry)),
        return_pct: float((Math.sign(size) * (exit - entry)) / entry),
        entry_time: isoTime(start + trade * 3 * step),
        exit_time: trade === trades - 1 ? '' : isoTime(start + (trade * 3 + 2) * step),
      };
    }),
  );
}

export function backtestConfig(random: Random): { name: string; config: string } {
  const [name, parameters] = random.pick<[string, PythonValue]>([
    ['SMA_CROSS', { n1: random.int(5, 25), n2: random.int(30, 90) }],
    ['RSI', { period: 14, oversold: random.int(20, 35), overbought: random.int(65, 80) }],
    ['MACD', {}],
    ['ボリンジャー逆張り', { period: 20, std_dev: float(2) }],
  ]);
  return {
    name,
    config: pythonJson({
      strategy_config: { strategy_type: name, parameters },
      commission_rate: float(0.001),
    }),
  };
}
