import {
  bigint,
  bool,
  derived,
  double,
  integer,
  json,
  naiveUtc,
  reference,
  text,
} from '../../engine/contracts.ts';
import type { SystemMapping, TableMapping } from '../../engine/mapping.ts';
import { int8, text as pgText } from '../../engine/pg-types.ts';
import { barTime, pastTime, SHIFT, shiftedCopies } from './bars.ts';
import { gaps, layout } from './checks.ts';
import { canonical, preferCanonical, SYMBOLS, TIMEFRAMES } from './symbols.ts';

const symbol = canonical('symbol', SYMBOLS, 'H1');
const timeframe = canonical('timeframe', TIMEFRAMES, 'H13');
const legacyId = bigint('legacy_id', { from: 'id' });
const created = naiveUtc('created_at', { nullable: true, hazards: ['H2'] });
const updated = naiveUtc('updated_at', { nullable: true, hazards: ['H2'] });

/** A JSON column: NaN and infinities become null and are listed (H4); the text `null` is not SQL's null (H5). */
const document = (column: string, nullable = false) =>
  json(column, { nullable, nonFinite: 'H4', hazards: ['H4', 'H5'] });

/** H7: foreign keys were never enforced, so a result may be gone; the strategy is kept without it. */
const backtest = reference('backtest_result_id', int8, {
  parents: 'backtest_results',
  stored: 'number',
  nullable: true,
  orphan: { note: 'H7' },
  hazards: ['H7'],
});

/** Tables of the legacy application that have no time dimension keep their integer id as the key. */
const byId = (mapping: Omit<TableMapping, 'key' | 'extra' | 'order'>): TableMapping => ({
  ...mapping,
  key: ['id'],
  extra: 'extra',
  order: { by: ['id'] },
});

const tables: readonly TableMapping[] = [
  {
    table: 'ohlcv_data',
    entity: 'ohlcv_data',
    key: ['symbol', 'timeframe', 'timestamp'],
    legacyOrder: ['legacy_id'],
    order: { series: { symbol: SYMBOLS, timeframe: TIMEFRAMES }, by: ['timestamp'] },
    fields: [
      ...symbol,
      ...timeframe,
      barTime('timestamp'),
      double('open', { infinite: 'H4', hazards: ['H4', 'H14'] }),
      double('high', { infinite: 'H4', hazards: ['H4', 'H14'] }),
      double('low', { infinite: 'H4', hazards: ['H4', 'H14'] }),
      double('close', { infinite: 'H4', hazards: ['H4', 'H14'] }),
      double('volume', { infinite: 'H4', hazards: ['H4', 'H14'] }),
      legacyId,
      created,
      updated,
    ],
    extra: 'extra',
    duplicates: preferCanonical(['open', 'high', 'low', 'close', 'volume']),
    watch: shiftedCopies,
    watchBack: SHIFT,
  },
  {
    table: 'funding_rate_data',
    entity: 'funding_rate_data',
    key: ['symbol', 'funding_timestamp'],
    legacyOrder: ['legacy_id'],
    order: { series: { symbol: SYMBOLS }, by: ['funding_timestamp'] },
    fields: [
      ...symbol,
      pastTime('funding_timestamp'),
      // H9: rates go down to 1e-08, with zeros as filler; only a double keeps them.
      double('funding_rate', { infinite: 'H4', hazards: ['H9'] }),
      naiveUtc('timestamp', { hazards: ['H2'] }),
      naiveUtc('next_funding_timestamp', { nullable: true }),
      double('mark_price', { nullable: true, infinite: 'H4' }),
      // H10: the application stored 0 as null; nobody can tell any more which nulls were zeros.
      double('index_price', { nullable: true, infinite: 'H4', hazards: ['H10'] }),
      legacyId,
      created,
      updated,
    ],
    extra: 'extra',
    duplicates: preferCanonical(['funding_rate', 'mark_price', 'index_price']),
  },
  {
    table: 'open_interest_data',
    entity: 'open_interest_data',
    key: ['symbol', 'data_timestamp'],
    legacyOrder: ['legacy_id'],
    order: { series: { symbol: SYMBOLS }, by: ['data_timestamp'] },
    fields: [
      ...symbol,
      pastTime('data_timestamp'),
      double('open_interest_value', { infinite: 'H4', hazards: ['H8'] }),
      // H8: quote values are near 1e9, contract counts near 5e4; the border is their geometric mean.
      derived(
        'unit_guess',
        pgText,
        (scope) => (Number(scope.raw('open_interest_value')) >= 1e7 ? 'quote' : 'contracts'),
        { hazards: ['H8'] },
      ),
      naiveUtc('timestamp', { hazards: ['H2'] }),
      legacyId,
      created,
      updated,
    ],
    extra: 'extra',
    duplicates: preferCanonical(['open_interest_value']),
  },
  byId({
    table: 'data_collection_log',
    entity: 'data_collection_log',
    fields: [
      bigint('id'),
      ...symbol,
      ...timeframe,
      // The start may lie after the end: kept as it is.
      naiveUtc('start_time'),
      naiveUtc('end_time'),
      integer('records_collected', { nullable: true }),
      text('status'),
      // H6: 800 characters were found in the column of 500.
      text('error_message', { nullable: true, hazards: ['H6'] }),
      created,
    ],
  }),
  byId({
    table: 'backtest_results',
    entity: 'backtest_results',
    parents: [{ as: 'backtest_results', by: (row) => String(row('id')), key: 'id' }],
    fields: [
      bigint('id'),
      text('strategy_name', { hazards: ['H6'] }),
      ...symbol,
      ...timeframe,
      naiveUtc('start_date'),
      naiveUtc('end_date'),
      double('initial_capital', { infinite: 'H4' }),
      double('commission_rate', { nullable: true, infinite: 'H4' }),
      document('config_json'),
      document('performance_metrics'),
      document('equity_curve'),
      document('trade_history'),
      double('execution_time', { nullable: true, infinite: 'H4' }),
      text('status'),
      text('error_message', { nullable: true }),
      created,
      updated,
    ],
  }),
  byId({
    table: 'ga_experiments',
    entity: 'ga_experiments',
    parents: [{ as: 'ga_experiments', by: (row) => String(row('id')), key: 'id' }],
    fields: [
      bigint('id'),
      // H12: names repeat, so the target has no unique constraint on them.
      text('name', { hazards: ['H12'] }),
      document('config'),
      text('status'),
      double('progress', { infinite: 'H4' }),
      double('best_fitness', { nullable: true, infinite: 'H4' }),
      integer('total_generations', { nullable: true }),
      integer('current_generation'),
      created,
      naiveUtc('completed_at', { nullable: true }),
    ],
  }),
  byId({
    table: 'generated_strategies',
    entity: 'generated_strategies',
    fields: [
      bigint('id'),
      reference('experiment_id', int8, {
        parents: 'ga_experiments',
        stored: 'number',
        orphan: { reject: 'ORPHAN_EXPERIMENT' },
        hazards: ['H7'],
      }),
      document('gene_data'),
      integer('generation'),
      double('fitness_score', { nullable: true, infinite: 'H4' }),
      document('parent_ids', true),
      backtest,
      created,
    ],
  }),
  byId({
    table: 'strategy_showcase',
    entity: 'strategy_showcase',
    fields: [
      bigint('id'),
      text('name'),
      text('description', { nullable: true }),
      text('category'),
      document('indicators'),
      document('parameters'),
      double('expected_return', { nullable: true, infinite: 'H4' }),
      double('sharpe_ratio', { nullable: true, infinite: 'H4' }),
      double('max_drawdown', { nullable: true, infinite: 'H4' }),
      double('win_rate', { nullable: true, infinite: 'H4' }),
      document('gene_data'),
      backtest,
      text('risk_level'),
      text('recommended_timeframe', { nullable: true }),
      bool('is_active', { nullable: true }),
      created,
      updated,
    ],
  }),
  byId({
    table: 'strategy_templates',
    entity: 'strategy_templates',
    fields: [
      bigint('id'),
      text('name'),
      text('description', { nullable: true }),
      text('category', { nullable: true }),
      document('config_json'),
      bool('is_public', { nullable: true }),
      created,
    ],
  }),
];

export const trdinger: SystemMapping = {
  name: 'trdinger',
  database: 'trdinger',
  rolePrefix: 'trdinger',
  server: 'timescale',
  extensions: ['timescaledb'],
  // To remove a row from compressed chunks by its key means to decompress them, which has a limit otherwise.
  loadSettings: { 'timescaledb.max_tuples_decompressed_per_dml_transaction': '0' },
  source: {
    kind: 'sqlite',
    file: 'trdinger.db',
    around: {
      '**/ga_*results*.json': 'a printout of an experiment that the database has',
      '**/generated_strategies.json': 'a printout of strategies that the database has',
      '**/test_*.json': 'input of a test',
    },
  },
  tables,
  checks: [gaps],
  targetChecks: layout,
  hotQueries: [
    {
      name: 'oldest candles of a series',
      sql: `select timestamp, open, high, low, close, volume from ohlcv_data
      where symbol = 'BTC/USDT:USDT' and timeframe = '1h' order by timestamp limit 1000`,
    },
    {
      name: 'range of a series',
      sql: `select min(timestamp), max(timestamp), count(*) from ohlcv_data
      where symbol = 'BTC/USDT:USDT' and timeframe = '1h'`,
    },
    {
      name: 'newest backtests',
      sql: 'select * from backtest_results order by created_at desc limit 20',
    },
  ],
};
