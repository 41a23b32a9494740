// What a script for this migration usually looks like: the whole file by JSON.parse, its rows as text for COPY.
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { TABLE } from './store.ts';

const COLUMNS =
  'legacy_id, legacy_event_id, event_type, event_data, occurred_at, server_date, created_at, updated_at';
const FIELDS = ['id', 'eventId', 'action', 'data', 'timestamp', 'date', 'createdAt', 'updatedAt'];
const ROWS_A_CHUNK = 1000;

const { url, file } = JSON.parse(await text(process.stdin)) as { url: string; file: string };
const begun = performance.now();
const documents = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>[];
const client = new pg.Client({ connectionString: url });
await client.connect();
await pipeline(Readable.from(lines()), client.query(copyFrom(`copy ${TABLE} (${COLUMNS}) from stdin`)));
await client.end();
const seconds = (performance.now() - begun) / 1000;
console.log(JSON.stringify({ seconds, rss: process.resourceUsage().maxRSS * 1024 }));

function* lines(): Generator<string> {
  for (let at = 0; at < documents.length; at += ROWS_A_CHUNK) {
    let chunk = '';
    for (const document of documents.slice(at, at + ROWS_A_CHUNK)) {
      chunk += `${FIELDS.map((field) => cell(document[field])).join('\t')}\n`;
    }
    yield chunk;
  }
}

function cell(value: unknown): string {
  if (value === undefined || value === null) return '\\N';
  const shown = typeof value === 'string' ? value : JSON.stringify(value);
  return shown.replace(/[\\\t\n\r]/g, (c) => ({ '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' })[c]!);
}
