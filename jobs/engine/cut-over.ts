import type pg from 'pg';

/** The end of a final sync: from here on, applications may write to the database. */
export interface CutOver {
  readonly generation: number;
  /** Digest of the snapshot that was proved. */
  readonly snapshot: string;
  readonly at: Date;
}

/** The last cut-over of a system; undefined when its database only ever had what was loaded. */
export async function lastCutOver(client: pg.Client, system: string): Promise<CutOver | undefined> {
  // A ledger of before that table was there.
  const { rows: known } = await client.query<{ there: string | null }>(
    `select to_regclass('migration.cut_over') as there`,
  );
  if (!known[0]!.there) return undefined;
  const { rows } = await client.query<CutOver>(
    'select generation, snapshot, at from migration.cut_over where system = $1 order by generation desc limit 1',
    [system],
  );
  return rows[0];
}

/** Says that the final sync of a generation ended well. Once said, it stays. */
export async function recordCutOver(
  client: pg.Client,
  system: string,
  { generation, snapshot }: Omit<CutOver, 'at'>,
): Promise<void> {
  await client.query(
    `insert into migration.cut_over (system, generation, snapshot) values ($1, $2, $3) on conflict do nothing`,
    [system, generation, snapshot],
  );
}
