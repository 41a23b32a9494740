import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import type { Divergence } from '../../jobs/engine/compare.ts';
import type { SystemMapping, TableMapping } from '../../jobs/engine/mapping.ts';
import { SYSTEMS, storeOf } from '../../jobs/systems/index.ts';
import {
  asAdmin,
  begin,
  copyOfLegacy,
  cutover,
  dropSystems,
  dump,
  emptyTarget,
  LEGACY,
  noBackend,
  run,
  scratch,
  waitingBackend,
  whileHolding,
  writers,
} from './harness.ts';

/** SHA-256 of every file below a folder, by name. */
function hashes(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    files.sort().map((file) => [file, createHash('sha256').update(readFileSync(file)).digest('hex')]),
  );
}

const inSqlite = (file: string, sql: string) => (store: string) => {
  const db = new Database(join(store, file));
  db.exec(sql);
  db.close();
};

/** Replaces the first match in a file. */
const inText = (file: string, pattern: RegExp, by: string) => (store: string) => {
  const before = readFileSync(join(store, file), 'utf8');
  const after = before.replace(pattern, by);
  expect(after).not.toBe(before);
  writeFileSync(join(store, file), after);
};

interface Edit {
  /** Changes one record of the store in this folder. */
  readonly change: (store: string) => void;
  /** The tables that a row of must be written again. */
  readonly updated: readonly string[];
}

const EDITS: Readonly<Record<string, Edit>> = {
  harca: {
    change: inText('modules/document-rag/.cache/vector-store.json', /"content": "/, '"content": "!'),
    updated: ['vector_embeddings_document'],
  },
  'instant-search': {
    change: inSqlite('app.db', 'update typing_logs set took_ms = took_ms + 1 where rowid = 7'),
    updated: ['typing_logs'],
  },
  trdinger: {
    change: inSqlite('trdinger.db', 'update ohlcv_data set close = close + 1 where id = 7'),
    updated: ['ohlcv_data'],
  },
  'lightning-talk': {
    change: inText('server/data/talks.json', /"title": "/, '"title": "!'),
    updated: ['talks'],
  },
  'voice-roleplay': {
    change: inText('data/reminder_logs.json', /"success": true/, '"success": false'),
    updated: ['reminder_logs'],
  },
  'voice-roleplay-analytics': {
    change: inText('data/ml_models/predictions.json', /"model_version": "/, '"model_version": "!'),
    // The file's own hash is a record, too.
    updated: ['model_predictions', 'model_files'],
  },
};

const { quarantined } = JSON.parse(readFileSync(join(LEGACY, 'sample.json'), 'utf8')) as {
  quarantined: Record<string, number>;
};

/** How a value of each type becomes another one that no row has. */
const OTHER: Readonly<Record<string, (column: string) => string>> = {
  text: (column) => `${column} || '~'`,
  uuid: () => 'gen_random_uuid()',
  bigint: (column) => `${column} + 1000000`,
  integer: (column) => `${column} + 1000000`,
  'timestamp with time zone': (column) => `${column} + interval '1 microsecond'`,
  'double precision': (column) => `${column} + 1`,
};

/** A column among these whose value can be made another, in order of preference of the types above. */
function changeable(mapping: TableMapping, columns: readonly string[], types = Object.keys(OTHER)) {
  const fields = mapping.fields.filter(({ column }) => columns.includes(column));
  for (const type of types) {
    const field = fields.find((each) => each.type.sql === type);
    if (field) return { column: field.column, other: OTHER[type]!(`"${field.column}"`) };
  }
  return undefined;
}

describe.each(SYSTEMS.map((system) => [system.name, system] as const))(
  '%s',
  (name, system: SystemMapping) => {
    const platform = inject('platform');
    const store = storeOf(system);
    let home: string;
    let source: string;
    const budget = quarantined[name] ?? 0;

    const steps = (names?: string[], batchRows?: number) =>
      run(platform, home, { system: name, steps: names, source, budget, batchRows });
    const query = (sql: string) => asAdmin(platform, system.database, (client) => client.query(sql));
    const rowsOf = async (table: string) =>
      Number((await query(`select count(*) from public."${table}"`)).rows[0].count);

    beforeAll(async () => {
      home = await scratch();
      source = await copyOfLegacy();
      await dropSystems(platform);
    });

    it('is proved equal to its source, whose files stay as they were, and a second run writes nothing', async () => {
      const before = hashes(join(source, store));
      const { error, tables } = await steps();
      expect(error).toBeUndefined();
      for (const [table, { source: there, read, compared, differences, ...of }] of Object.entries(tables)) {
        expect([table, read, differences]).toEqual([table, there, 0]);
        expect([table, of.inserted + of.merged + of.quarantined]).toEqual([table, read]);
        expect([table, compared > 0]).toEqual([table, of.inserted > 0]);
      }
      expect(Object.values(tables).reduce((sum, table) => sum + table.quarantined, 0)).toBe(budget);
      const written = await writers(platform, system);
      const again = await steps();
      expect(again.error).toBeUndefined();
      for (const table of Object.values(again.tables)) {
        expect(table).toMatchObject({ inserted: 0, updated: 0, removed: 0, differences: 0 });
      }
      expect(await writers(platform, system)).toEqual(written);
      expect(hashes(join(source, store))).toEqual(before);
    });

    it('killed in the middle and run again, holds what an undisturbed run leaves', async () => {
      const undisturbed = await dump(platform, system);
      const counted = await Promise.all(
        system.tables.map(async (mapping) => ({ mapping, rows: await rowsOf(mapping.table) })),
      );
      const { mapping, rows } = counted.reduce((most, each) => (each.rows > most.rows ? each : most));
      const { table, key } = mapping;
      await query(`create schema reference; create table reference."${table}" as table public."${table}"`);
      await emptyTarget(platform, system);
      const order = key.map((column) => `"${column}"`).join(', ');
      const generated = await query(
        `select attname from pg_attribute where attrelid = 'public."${table}"'::regclass and attnum > 0
         and not attisdropped and attgenerated = ''`,
      );
      const columns = generated.rows.map(({ attname }) => `"${attname}"`).join(', ');
      const inTheWay = [
        'set local session_replication_role = replica',
        `insert into public."${table}" (${columns}) select ${columns} from reference."${table}"
       order by ${order} limit 1 offset ${Math.floor(rows / 2)}`,
      ];
      await whileHolding(platform, system.database, inTheWay, async (release) => {
        const args = ['load', '--system', name, '--batch-rows', '3', '--quarantine-budget', String(budget)];
        const { child, done } = begin(platform, home, args);
        const ended = done.then((outcome) => expect.fail(`ended before it was killed: ${outcome.stderr}`));
        await Promise.race([waitingBackend(platform, system.database), ended]);
        child.kill('SIGKILL');
        expect(await done).toMatchObject({ code: null, signal: 'SIGKILL' });
        await release();
      });
      await noBackend(platform, system.database);
      expect(await dump(platform, system)).not.toEqual(undisturbed);
      expect((await steps(['load'], 3)).error).toBeUndefined();
      expect(await dump(platform, system)).toEqual(undisturbed);
      await query('drop schema reference cascade');
      expect((await steps(['index', 'verify'])).error).toBeUndefined();
    });

    it('with one record changed, has only that row written again', async () => {
      const { change, updated } = EDITS[name]!;
      change(join(source, store));
      const { error, tables } = await steps();
      expect(error).toBeUndefined();
      const touched = Object.entries(tables).filter(
        ([, table]) => table.inserted + table.updated + table.removed > 0,
      );
      expect(touched.map(([table, of]) => [table, of.inserted, of.updated, of.removed])).toEqual(
        updated.map((table) => [`public.${table}`, 0, 1, 0]),
      );
    });

    it('says of every table what was changed, deleted and added by hand', async () => {
      const expected: Pick<Divergence, 'table' | 'field' | 'kind'>[] = [];
      for (const mapping of system.tables) {
        const { table, key } = mapping;
        if ((await rowsOf(table)) < 2) continue;
        const others = mapping.fields.map(({ column }) => column).filter((column) => !key.includes(column));
        // A text may be one of a few words, and a reference must not be a guess.
        const plain = changeable(mapping, others, ['timestamp with time zone', 'double precision']);
        const field = plain?.column ?? mapping.extra;
        const renamed = changeable(mapping, key)!;
        const where = (offset: number) =>
          `(${key.map((column) => `"${column}"`).join(', ')}) = (select ${key.map((column) => `"${column}"`).join(', ')}
          from public."${table}" where ${plain ? `"${plain.column}" is not null` : 'true'}
          order by ${key.map((column) => `"${column}"`).join(', ')} limit 1 offset ${offset})`;
        await asAdmin(platform, system.database, async (client) => {
          // Neither triggers nor references are the point.
          await client.query('set session_replication_role = replica');
          const changed = await client.query(
            `update public."${table}" set "${field}" = ${plain?.other ?? `'{"by": "hand"}'`} where ${where(0)}`,
          );
          const moved = await client.query(
            `update public."${table}" set "${renamed.column}" = ${renamed.other} where ${where(1)}`,
          );
          if (changed.rowCount === 1) expected.push({ table: `public.${table}`, field, kind: 'changed' });
          if (moved.rowCount === 1) {
            expected.push({ table: `public.${table}`, field: null as never, kind: 'missing' });
            expected.push({ table: `public.${table}`, field: null as never, kind: 'extra' });
          }
        });
      }
      const { code, stdout } = await cutover(
        platform,
        home,
        ...['verify', '--system', name, '--json', '--quarantine-budget', String(budget)],
      );
      expect(code).toBe(7);
      const found = (JSON.parse(stdout) as (Divergence & { system: string })[]).filter(
        (each) => each.system === name,
      );
      const brief = (all: readonly Pick<Divergence, 'table' | 'field' | 'kind'>[]) =>
        all.map(({ table, field, kind }) => `${table} ${kind} ${field ?? 'row'}`).sort();
      expect(brief(found)).toEqual(brief(expected));
      for (const { kind, source: ours, target } of found) {
        // Of a changed field either value may be null.
        if (kind !== 'changed') {
          expect([kind, ours === null, target === null]).toEqual([
            kind,
            kind === 'extra',
            kind === 'missing',
          ]);
        }
        expect(ours).not.toBe(target);
      }
      expect(expected.length).toBeGreaterThan(2);
    });
  },
);
