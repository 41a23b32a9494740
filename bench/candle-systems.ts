import type { SystemMapping } from '../jobs/engine/mapping.ts';
import { trdinger } from '../jobs/systems/trdinger/index.ts';

/** trdinger with its candles alone, and what is checked of them. */
const candles: SystemMapping = {
  ...trdinger,
  tables: trdinger.tables.filter(({ table }) => table === 'ohlcv_data'),
  checks: trdinger.checks!.filter(({ table }) => table === 'ohlcv_data'),
};

const inDatabase = (system: SystemMapping, database: string): SystemMapping => ({
  ...system,
  database,
  rolePrefix: database,
});

/** Into an ordinary table, which has no layout to check. */
export const plain = inDatabase({ ...candles, targetChecks: [] }, 'bench_candles');

/** Into the hypertable, as it is shipped. */
export const hyper = inDatabase(
  { ...candles, targetChecks: trdinger.targetChecks!.filter(({ table }) => table === 'ohlcv_data') },
  'bench_candles_hyper',
);

/** As `plain`, without what both engines compute: verify is left with the comparison of the rows. */
export const rowsOnly: SystemMapping = {
  ...plain,
  checks: [],
  tables: plain.tables.map((mapping) => ({
    ...mapping,
    fields: mapping.fields.map((field) => ({ ...field, aggregate: undefined })),
  })),
};
