import type { JsonLayout, SystemMapping } from '../../jobs/engine/mapping.ts';
import { lightningTalk } from '../../jobs/systems/lightning-talk/index.ts';

const layout = lightningTalk.source as JsonLayout;
const { events, analytics } = layout.collections;

/** lightning-talk with its analytics alone, and the events that they name. The key is made from the id: in no order. */
export const byId: SystemMapping = {
  ...lightningTalk,
  database: 'bench_json',
  rolePrefix: 'bench_json',
  source: { ...layout, collections: { events: events!, analytics: analytics! } },
  tables: lightningTalk.tables.filter(({ table }) => table === 'events' || table === 'analytics'),
  targetChecks: [],
};

/** The same under a key that the file is in the order of. */
export const byTime: SystemMapping = {
  ...byId,
  tables: byId.tables.map((mapping) =>
    mapping.table === 'analytics'
      ? { ...mapping, key: ['occurred_at', 'legacy_id'], watch: undefined }
      : mapping,
  ),
};
