/**
 * The DDL of `trdinger.db` as SQLAlchemy 2.0's create-all writes it (state of June 2025): its layout, blanks at line
 * ends included, and its order. `sqlite_master` of a legacy file holds these very texts.
 */
export interface LegacyTable {
  readonly name: string;
  readonly columns: readonly string[];
  /** Table constraints after the columns. */
  readonly constraints: readonly string[];
  /** `[name, columns]`; the names that start with `uq_` are unique. */
  readonly indexes: readonly (readonly [name: string, columns: string])[];
}

const CREATED = 'created_at DATETIME DEFAULT (CURRENT_TIMESTAMP)';
const UPDATED = 'updated_at DATETIME DEFAULT (CURRENT_TIMESTAMP)';

export const TRDINGER_TABLES = [
  {
    name: 'ohlcv_data',
    columns: [
      'id INTEGER NOT NULL',
      'symbol VARCHAR(50) NOT NULL',
      'timeframe VARCHAR(10) NOT NULL',
      'timestamp DATETIME NOT NULL',
      'open FLOAT NOT NULL',
      'high FLOAT NOT NULL',
      'low FLOAT NOT NULL',
      'close FLOAT NOT NULL',
      'volume FLOAT NOT NULL',
      CREATED,
      UPDATED,
    ],
    constraints: [],
    indexes: [
      ['ix_ohlcv_data_timestamp', 'timestamp'],
      ['idx_timestamp_symbol', 'timestamp, symbol'],
      ['ix_ohlcv_data_timeframe', 'timeframe'],
      ['uq_symbol_timeframe_timestamp', 'symbol, timeframe, timestamp'],
      ['idx_symbol_timeframe_timestamp', 'symbol, timeframe, timestamp'],
      ['ix_ohlcv_data_symbol', 'symbol'],
    ],
  },
  {
    name: 'funding_rate_data',
    columns: [
      'id INTEGER NOT NULL',
      'symbol VARCHAR(50) NOT NULL',
      'funding_rate FLOAT NOT NULL',
      'funding_timestamp DATETIME NOT NULL',
      'timestamp DATETIME NOT NULL',
      'next_funding_timestamp DATETIME',
      'mark_price FLOAT',
      'index_price FLOAT',
      CREATED,
      UPDATED,
    ],
    constraints: [],
    indexes: [
      ['idx_funding_timestamp_symbol', 'funding_timestamp, symbol'],
      ['uq_symbol_funding_timestamp', 'symbol, funding_timestamp'],
      ['ix_funding_rate_data_funding_timestamp', 'funding_timestamp'],
      ['idx_funding_symbol_timestamp', 'symbol, funding_timestamp'],
      ['ix_funding_rate_data_symbol', 'symbol'],
      ['ix_funding_rate_data_timestamp', 'timestamp'],
      ['idx_funding_symbol_created', 'symbol, created_at'],
    ],
  },
  {
    name: 'open_interest_data',
    columns: [
      'id INTEGER NOT NULL',
      'symbol VARCHAR(50) NOT NULL',
      'open_interest_value FLOAT NOT NULL',
      'data_timestamp DATETIME NOT NULL',
      'timestamp DATETIME NOT NULL',
      CREATED,
      UPDATED,
    ],
    constraints: [],
    indexes: [
      ['ix_open_interest_data_symbol', 'symbol'],
      ['idx_oi_symbol_created', 'symbol, created_at'],
      ['ix_open_interest_data_data_timestamp', 'data_timestamp'],
      ['ix_open_interest_data_timestamp', 'timestamp'],
      ['idx_oi_data_timestamp_symbol', 'data_timestamp, symbol'],
      ['idx_oi_symbol_data_timestamp', 'symbol, data_timestamp'],
      ['uq_symbol_data_timestamp', 'symbol, data_timestamp'],
    ],
  },
  {
    name: 'data_collection_log',
    columns: [
      'id INTEGER NOT NULL',
      'symbol VARCHAR(50) NOT NULL',
      'timeframe VARCHAR(10) NOT NULL',
      'start_time DATETIME NOT NULL',
      'end_time DATETIME NOT NULL',
      'records_collected INTEGER',
      'status VARCHAR(20) NOT NULL',
      'error_message VARCHAR(500)',
      CREATED,
    ],
    constraints: [],
    indexes: [],
  },
  {
    name: 'backtest_results',
    columns: [
      'id INTEGER NOT NULL',
      'strategy_name VARCHAR(100) NOT NULL',
      'symbol VARCHAR(50) NOT NULL',
      'timeframe VARCHAR(10) NOT NULL',
      'start_date DATETIME NOT NULL',
      'end_date DATETIME NOT NULL',
      'initial_capital FLOAT NOT NULL',
      'commission_rate FLOAT',
      'config_json JSON NOT NULL',
      'performance_metrics JSON NOT NULL',
      'equity_curve JSON NOT NULL',
      'trade_history JSON NOT NULL',
      'execution_time FLOAT',
      'status VARCHAR(20) NOT NULL',
      'error_message TEXT',
      CREATED,
      UPDATED,
    ],
    constraints: [],
    indexes: [
      ['idx_backtest_created_at', 'created_at'],
      ['idx_backtest_strategy_created', 'strategy_name, created_at'],
      ['ix_backtest_results_symbol', 'symbol'],
      ['ix_backtest_results_timeframe', 'timeframe'],
      ['idx_backtest_symbol_timeframe', 'symbol, timeframe'],
    ],
  },
  {
    name: 'ga_experiments',
    columns: [
      'id INTEGER NOT NULL',
      'name VARCHAR(255) NOT NULL',
      'config JSON NOT NULL',
      'status VARCHAR(20) NOT NULL',
      'progress FLOAT NOT NULL',
      'best_fitness FLOAT',
      'total_generations INTEGER',
      'current_generation INTEGER NOT NULL',
      CREATED,
      'completed_at DATETIME',
    ],
    constraints: [],
    indexes: [
      ['idx_ga_experiments_created', 'created_at'],
      ['idx_ga_experiments_status', 'status'],
    ],
  },
  {
    name: 'strategy_templates',
    columns: [
      'id INTEGER NOT NULL',
      'name VARCHAR(100) NOT NULL',
      'description TEXT',
      'category VARCHAR(50)',
      'config_json JSON NOT NULL',
      'is_public BOOLEAN',
      CREATED,
    ],
    constraints: ['UNIQUE (name)'],
    indexes: [
      ['idx_template_created', 'created_at'],
      ['idx_template_public', 'is_public'],
      ['idx_template_category', 'category'],
    ],
  },
  {
    name: 'generated_strategies',
    columns: [
      'id INTEGER NOT NULL',
      'experiment_id INTEGER NOT NULL',
      'gene_data JSON NOT NULL',
      'generation INTEGER NOT NULL',
      'fitness_score FLOAT',
      'parent_ids JSON',
      'backtest_result_id INTEGER',
      CREATED,
    ],
    constraints: [
      'FOREIGN KEY(experiment_id) REFERENCES ga_experiments (id)',
      'FOREIGN KEY(backtest_result_id) REFERENCES backtest_results (id)',
    ],
    indexes: [
      ['idx_generated_strategies_fitness', 'fitness_score'],
      ['idx_generated_strategies_generation', 'generation'],
      ['idx_generated_strategies_experiment', 'experiment_id'],
    ],
  },
  {
    name: 'strategy_showcase',
    columns: [
      'id INTEGER NOT NULL',
      'name VARCHAR(255) NOT NULL',
      'description TEXT',
      'category VARCHAR(50) NOT NULL',
      'indicators JSON NOT NULL',
      'parameters JSON NOT NULL',
      'expected_return FLOAT',
      'sharpe_ratio FLOAT',
      'max_drawdown FLOAT',
      'win_rate FLOAT',
      'gene_data JSON NOT NULL',
      'backtest_result_id INTEGER',
      'risk_level VARCHAR(20) NOT NULL',
      'recommended_timeframe VARCHAR(10)',
      'is_active BOOLEAN',
      CREATED,
      UPDATED,
    ],
    constraints: ['UNIQUE (name)', 'FOREIGN KEY(backtest_result_id) REFERENCES backtest_results (id)'],
    indexes: [
      ['idx_showcase_active', 'is_active'],
      ['ix_strategy_showcase_category', 'category'],
      ['idx_showcase_category', 'category'],
      ['idx_showcase_risk_level', 'risk_level'],
      ['idx_showcase_return', 'expected_return'],
      ['idx_showcase_sharpe', 'sharpe_ratio'],
      ['idx_showcase_drawdown', 'max_drawdown'],
    ],
  },
] as const satisfies readonly LegacyTable[];

export type TrdingerTable = (typeof TRDINGER_TABLES)[number]['name'];

export function createTable({ name, columns, constraints }: LegacyTable): string {
  return `CREATE TABLE ${name} (\n\t${[...columns, 'PRIMARY KEY (id)', ...constraints].join(', \n\t')}\n)`;
}

export function createIndexes({ name, indexes }: LegacyTable): string[] {
  return indexes.map(
    ([index, columns]) =>
      `CREATE ${index.startsWith('uq_') ? 'UNIQUE ' : ''}INDEX ${index} ON ${name} (${columns})`,
  );
}
