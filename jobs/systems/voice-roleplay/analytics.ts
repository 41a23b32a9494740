import { bigint, bool, derived, integer, nth, stringOf, text } from '../../engine/contracts.ts';
import type { SystemMapping, TableMapping, TargetCheck } from '../../engine/mapping.ts';
import * as pg from '../../engine/pg-types.ts';
import { layout } from './layout.ts';
import { anyNumber, document, score, sourceFile, time } from './rules.ts';

/** Name of the file without its folders. */
const fileName = derived(
  'file_name',
  pg.text,
  (scope) => stringOf(scope.raw('$file'), '$file').replace(/^.*\//, ''),
  { notExported: `file_name is distinct from regexp_replace(source_file, '^.*/', '')` },
);

const tables: readonly TableMapping[] = [
  {
    table: 'model_status',
    entity: 'model_status',
    key: ['source_file'],
    extra: 'extra',
    fields: [
      sourceFile,
      // R19: a model that is not trained has no time.
      time('trained_at', 'trained_at', true),
      text('model_version', { nullable: true }),
      bool('quality_model_loaded', { nullable: true }),
      bool('engagement_model_loaded', { nullable: true }),
      integer('training_data_count', { nullable: true }),
      // A model that is worse than the mean has a score below 0.
      anyNumber('quality_r2_score'),
      anyNumber('engagement_r2_score'),
      document('feature_importance'),
    ],
  },
  {
    table: 'model_predictions',
    entity: 'predictions',
    key: ['time', 'source_file', 'occurrence'],
    extra: 'extra',
    fields: [
      time('time', 'prediction_timestamp'),
      sourceFile,
      nth('occurrence', { hazards: ['R14'] }),
      text('model_version', { nullable: true }),
      score('predicted_quality'),
      score('quality_confidence'),
      score('predicted_engagement'),
      document('feature_importance'),
      document('improvement_suggestions'),
    ],
  },
  {
    table: 'model_files',
    entity: 'model_files',
    key: ['source_file'],
    extra: 'extra',
    // R18: never opened as what they are; a pickle runs code.
    fields: [
      sourceFile,
      fileName,
      bigint('size_bytes', { from: '$size' }),
      text('sha256', { from: '$sha256' }),
    ],
  },
];

const hypertable = (table: string, days: number): TargetCheck => ({
  name: 'hypertable partitioned by time',
  table,
  sql: `select column_name || ' every ' || extract(epoch from time_interval)::bigint / 86400 || ' days'
        from timescaledb_information.dimensions
        where hypertable_schema = 'public' and hypertable_name = '${table}' and dimension_number = 1`,
  expect: `time every ${days} days`,
});

/** The part of the store that is about the models, in a time-series database. */
export const voiceRoleplayAnalytics: SystemMapping = {
  name: 'voice-roleplay-analytics',
  store: 'voice-roleplay',
  database: 'voice_roleplay_analytics',
  rolePrefix: 'vra',
  server: 'timescale',
  extensions: ['timescaledb'],
  loadSettings: { 'timescaledb.max_tuples_decompressed_per_dml_transaction': '0' },
  source: layout,
  tables,
  targetChecks: [
    hypertable('model_predictions', 30),
    hypertable('voice_analysis_metrics', 7),
    hypertable('talk_skill_analysis', 7),
    hypertable('system_performance_metrics', 7),
    hypertable('audio_quality_analysis', 7),
    hypertable('user_growth_tracking', 30),
    hypertable('sales_performance_tracking', 30),
  ],
  hotQueries: [
    {
      name: 'newest predictions',
      sql: 'select * from model_predictions order by time desc limit 100',
    },
    {
      name: 'state of the models',
      sql: 'select * from model_status order by trained_at desc nulls last',
    },
  ],
};
