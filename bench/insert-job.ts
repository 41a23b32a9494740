// What a script for this migration usually looks like: rows as objects, inserted by the thousand in one transaction.
import { text } from 'node:stream/consumers';
import Database from 'libsql';
import pg from 'pg';
import type { InsertRequest } from './inserts.ts';

const EACH = 1000;
const COLUMNS = ['symbol', 'timeframe', 'timestamp', 'open', 'high', 'low', 'close', 'volume'];
const MORE = ['source_symbol', 'source_timeframe', 'legacy_id', 'created_at', 'updated_at'];

const { url, file, rows } = JSON.parse(await text(process.stdin)) as InsertRequest;
const begun = performance.now();
const db = new Database(file);
const client = new pg.Client({ connectionString: url });
await client.connect();
await client.query('begin');
let batch: Record<string, unknown>[] = [];
for (const row of db.prepare('select * from ohlcv_data order by id limit ?').iterate(rows)) {
  batch.push(row as Record<string, unknown>);
  if (batch.length === EACH) await insert();
}
if (batch.length > 0) await insert();
await client.query('commit');
await client.end();
const seconds = (performance.now() - begun) / 1000;
console.log(JSON.stringify({ seconds, rss: process.resourceUsage().maxRSS * 1024 }));

async function insert(): Promise<void> {
  const values = batch.flatMap((row) => [
    ...COLUMNS.map((column) => row[column]),
    row.symbol,
    row.timeframe,
    row.id,
    row.created_at,
    row.updated_at,
  ]);
  const width = COLUMNS.length + MORE.length;
  const tuples = batch.map((_, i) => `(${Array.from({ length: width }, (_, j) => `$${i * width + j + 1}`)})`);
  await client.query(`insert into ohlcv_data (${[...COLUMNS, ...MORE]}) values ${tuples.join(', ')}`, values);
  batch = [];
}
