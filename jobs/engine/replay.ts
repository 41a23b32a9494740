import type pg from 'pg';
import { batches } from './batches.ts';
import type { Run } from './ledger.ts';
import type { TableMapping } from './mapping.ts';
import { Parents } from './parents.ts';
import { RowConverter } from './row-converter.ts';
import type { OpenStore } from './store.ts';
import { TableWriter } from './table-writer.ts';

export interface Replayed {
  inserted: number;
  updated: number;
  unchanged: number;
}

/**
 * Writes those quarantined records that the target takes now, each with its batch's account set right in the same
 * transaction. What a contract refuses stays: the same code refuses it again.
 *
 * @returns what became of the records that left quarantine, by table
 */
export async function replayTables(
  client: pg.Client,
  store: OpenStore,
  tables: readonly TableMapping[],
  options: { readonly run: Run; readonly fence: bigint; readonly dryRun: boolean },
): Promise<Map<string, Replayed>> {
  const parents = new Parents();
  const stored = new Map<string, Replayed>();
  for (const mapping of tables) {
    const { rows } = await client.query<{ locator: string }>(
      'select locator from migration.quarantine where run_id = $1 and table_name = $2 and replayed_at is null',
      [options.run.id, mapping.table],
    );
    const wanted = new Set(rows.map((row) => row.locator));
    if (wanted.size === 0 && !mapping.parents) continue;
    const reader = await store.reader(mapping, parents);
    const converter = new RowConverter(mapping, parents, reader.missingIsNotNull);
    const writer = new TableWriter(client, mapping.table, converter, options);
    try {
      for await (const batch of batches(mapping, reader, parents, { rows: 10_000 })) {
        for (let i = 0; i < batch.starts.length; i++) {
          const became = wanted.has(batch.locator(i)) ? await writer.replay(batch, i) : undefined;
          if (became) {
            const of = stored.get(mapping.table) ?? { inserted: 0, updated: 0, unchanged: 0 };
            of[became]++;
            stored.set(mapping.table, of);
          }
        }
      }
    } finally {
      await reader.close();
    }
  }
  return stored;
}
