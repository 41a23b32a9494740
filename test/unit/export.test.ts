import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterAll, describe, expect, it } from 'vitest';
import { Differences } from '../../jobs/engine/differences.ts';
import { fieldsOf } from '../../jobs/engine/export.ts';
import { compareSqlite } from '../../jobs/engine/export-proof-sqlite.ts';
import { looseDifferences } from '../../jobs/engine/loose-json.ts';
import type { LegacyRow, Note } from '../../jobs/engine/mapping.ts';
import { parseJson } from '../../jobs/sources/json-parse.ts';
import { JsonNumber, JsonObject, type JsonValue } from '../../jobs/sources/json-value.ts';
import { JsonFileWriter, javascriptJson, pythonJson } from '../../jobs/sources/json-write.ts';
import { parseLoosely } from '../../jobs/sources/parse-loosely.ts';
import type { Raw } from '../../jobs/sources/source.ts';
import { SqliteStore } from '../../jobs/sources/sqlite.ts';
import { SqliteWriter } from '../../jobs/sources/sqlite-write.ts';
import { lightningTalk } from '../../jobs/systems/lightning-talk/index.ts';
import { trdinger } from '../../jobs/systems/trdinger/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'cutover-export-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const parsed = (text: string): JsonValue => parseJson(Buffer.from(text)).value;

/** A stored row, by the text that PostgreSQL writes for each column. */
function rowOf(
  columns: Readonly<Record<string, string>>,
  extra: { unknown?: string; notes?: Note[]; parents?: Record<string, string> } = {},
): LegacyRow & { extra: JsonObject } {
  const parents = Object.entries(extra.parents ?? {});
  return {
    text: (column) => columns[column] ?? null,
    notes: extra.notes ?? [],
    nameOf: (of, key) =>
      parents.find(([name, its]) => name.startsWith(`${of} `) && its === key)?.[0].split(' ')[1],
    keyOf: (of, name) => extra.parents?.[`${of} ${name}`],
    extra: parsed(extra.unknown ?? '{}') as JsonObject,
  };
}

/** The legacy fields of a row, numbers as their text. */
function legacy(table: string, row: LegacyRow & { extra: JsonObject }): Record<string, unknown> {
  const mapping = [...trdinger.tables, ...lightningTalk.tables].find((each) => each.table === table)!;
  const plain = (value: Raw): unknown => {
    if (value instanceof JsonNumber) return `#${value.text}`;
    if (value instanceof JsonObject)
      return Object.fromEntries([...value].map(([key, each]) => [key, plain(each)]));
    return Array.isArray(value) ? value.map(plain) : value;
  };
  return Object.fromEntries([...fieldsOf(mapping, row)].map(([name, value]) => [name, plain(value)]));
}

const note = (rule: string, path: string, was: string): Note => ({ rule, path, was });

describe('inverses of trdinger', () => {
  const bar = { symbol: 'BTC/USDT:USDT', timeframe: '1d', source_symbol: 'BTCUSDT', source_timeframe: '1D' };

  it('give the spelling of the source, unless the row was given another name since', () => {
    expect(legacy('ohlcv_data', rowOf(bar))).toEqual({ symbol: 'BTCUSDT', timeframe: '1D' });
    const moved = { ...bar, symbol: 'ETH/USDT:USDT', timeframe: '4h' };
    expect(legacy('ohlcv_data', rowOf(moved))).toEqual({ symbol: 'ETH/USDT:USDT', timeframe: '4h' });
  });

  it.each([
    ['2025-06-06 00:00:00+00', '2025-06-06 00:00:00.000000'],
    ['2025-06-06 00:00:00.1234+00', '2025-06-06 00:00:00.123400'],
    ['infinity', 'infinity'],
  ])('write the instant %s without a zone, always with microseconds', (stored, text) => {
    expect(legacy('ga_experiments', rowOf({ completed_at: stored }))).toEqual({ completed_at: text });
  });

  it('put back tokens where they stood, and only where there is still null', () => {
    const notes = [
      note('H4', 'performance_metrics.sharpe', 'NaN'),
      note('H4', 'performance_metrics["a b"][1]', '-Infinity'),
      note('H4', 'performance_metrics.changed', 'NaN'),
      note('H4', 'config_json.sharpe', 'NaN'),
    ];
    const metrics = '{"sharpe": null, "a b": [null, null], "changed": 1.50}';
    const found = legacy('backtest_results', rowOf({ performance_metrics: metrics }, { notes }));
    expect(found.performance_metrics).toEqual({
      sharpe: '#NaN',
      'a b': [null, '#-Infinity'],
      changed: '#1.50',
    });
  });

  it('keep the null of JSON apart from that of SQL', () => {
    expect(legacy('generated_strategies', rowOf({ parent_ids: 'null' }))).toEqual({ parent_ids: null });
    expect(legacy('generated_strategies', rowOf({}))).toEqual({});
  });

  it('give back the number of a backtest that is gone', () => {
    const notes = [note('H7', 'backtest_result_id', '777')];
    const lost = (parents: Record<string, string>) =>
      legacy('strategy_showcase', rowOf({}, { notes, parents }));
    expect(lost({})).toEqual({ backtest_result_id: '#777' });
    expect(lost({ 'backtest_results 777': '777' })).toEqual({});
  });
});

describe('inverses of lightning-talk', () => {
  it.each([
    ['t', '"true"', 'true'],
    ['t', '"1"', '1'],
    ['t', '1', '#1'],
    ['f', '"false"', 'false'],
    ['f', '"true"', false],
    ['t', '"0"', true],
  ])('the boolean %s that was %s', (stored, was, value) => {
    const row = rowOf({ newsletter: stored }, { notes: [note('L7', 'newsletter', was)] });
    expect(legacy('participants', row)).toEqual({ newsletter: value });
  });

  it.each([
    ['7', '7', '7'],
    ['7', '007', '007'],
    ['8', '7', '#8'],
  ])('the integer %s that was the text %s', (stored, was, value) => {
    const row = rowOf({ duration: stored }, { notes: [note('L12', 'duration', was)] });
    expect(legacy('presentations', row)).toEqual({ duration: value });
  });

  it('times: the text where a zone was assumed, unless the time changed since', () => {
    const notes = [note('L9', 'date', '2025-09-01T19:00:00')];
    expect(legacy('events', rowOf({ date: '2025-09-01 10:00:00+00' }, { notes }))).toEqual({
      date: '2025-09-01T19:00:00',
    });
    expect(legacy('events', rowOf({ date: '2025-09-01 11:00:00+00' }, { notes }))).toEqual({
      date: '2025-09-01T11:00:00.000Z',
    });
    expect(legacy('events', rowOf({ date: '2025-09-01 11:00:00.000001+00' }))).toEqual({
      date: '2025-09-01T11:00:00.000001Z',
    });
  });

  it('members of the venue, known, unknown and null, into one object', () => {
    const row = rowOf({
      venue_name: 'x',
      capacity: '12',
      online: 't',
      venue_extra: '{"floor": 3, "address": null}',
    });
    expect(legacy('events', row)).toEqual({
      venue: { name: 'x', capacity: '#12', online: true, floor: '#3', address: null },
    });
    expect(legacy('events', rowOf({ venue_extra: '{}' }))).toEqual({ venue: {} });
    expect(legacy('events', rowOf({ venue_name: 'since', venue_extra: '{"name": null}' }))).toEqual({
      venue: { name: 'since' },
    });
  });

  it('references: the legacy id that was kept, unless the reference names another row', () => {
    const parents = { 'participants p1': 'k1', 'participants p2': 'k2' };
    const speaker = (columns: Record<string, string>, notes: Note[] = []) =>
      legacy('talks', rowOf(columns, { parents, notes })).speakerId;
    expect(speaker({ participant_id: 'k1', legacy_speaker_id: 'p1' })).toBe('p1');
    expect(speaker({ participant_id: 'k1', legacy_speaker_id: 'a merged one' })).toBe('a merged one');
    expect(speaker({ participant_id: 'k2', legacy_speaker_id: 'p1' })).toBe('p2');
    expect(speaker({ participant_id: 'k2' })).toBe('p2');
    expect(speaker({ participant_id: 'k3' })).toBe('k3');
    expect(speaker({ legacy_speaker_id: 'gone' })).toBe('gone');
    expect(speaker({ legacy_speaker_id: 'p1' })).toBeUndefined();
    expect(speaker({}, [note('L6', 'speakerId', 'participant p1 has the same address')])).toBeUndefined();
  });

  it('ids: the legacy one, a number as a number, the key where there is none', () => {
    expect(legacy('events', rowOf({ id: 'u', legacy_id: '7' }))).toEqual({ id: '7' });
    const row = rowOf({ id: 'u', legacy_id: '7' }, { notes: [note('L2', 'id', '7')] });
    expect(legacy('events', row)).toEqual({ id: '#7' });
    expect(legacy('events', rowOf({ id: 'u' }))).toEqual({ id: 'u' });
  });

  it('ratings and days', () => {
    const rated = (columns: Record<string, string>, ...notes: Note[]) =>
      legacy('talks', rowOf(columns, { notes })).averageRating;
    expect(rated({ average_rating: '4.33' }, note('L13', 'averageRating', '4.33'))).toBe('4.33');
    expect(rated({ average_rating: '4.5' }, note('L13', 'averageRating', '4.33'))).toBe(4.5);
    expect(rated({}, note('L27', 'averageRating', 'NaN'))).toBe('#NaN');
    expect(legacy('analytics', rowOf({ server_date: '2025-06-30' }))).toEqual({ date: 'Mon Jun 30 2025' });
    expect(legacy('analytics', rowOf({ server_date: '2025-07-01' }))).toEqual({ date: 'Tue Jul 01 2025' });
  });

  it('unknown fields, names that begin with a dollar, and explicit nulls that are still null', () => {
    const unknown =
      '{"a": null, "$$null": 1, "$$$": [], "$null": ["message", "name"], "$notes": [], "n": null}';
    const row = rowOf({ name: 'x' }, { unknown, notes: [note('X4', 'extra.n', 'NaN')] });
    expect(legacy('participants', row)).toEqual({
      name: 'x',
      a: null,
      $null: '#1',
      $$: [],
      n: '#NaN',
      message: null,
    });
  });
});

describe('writers', () => {
  it('Python: one line, ASCII, tokens', () => {
    expect(pythonJson(parsed('{"名":[1.50,NaN,-Infinity],"e":{},"t":"\\u007f\\n\\"😀"}'))).toBe(
      '{"\\u540d": [1.50, NaN, -Infinity], "e": {}, "t": "\\u007f\\n\\"\\ud83d\\ude00"}',
    );
  });

  it('JavaScript: indent 2, as JSON.stringify, tokens as null', () => {
    const text = '{"名":[1,{"a":[]},{}],"x":"\\u2028\\u0001","n":null,"b":true}';
    expect(javascriptJson(parsed(text))).toBe(JSON.stringify(JSON.parse(text), null, 2));
    expect(javascriptJson(parsed('[NaN,12345678901234567890]'))).toBe(
      '[\n  null,\n  12345678901234567890\n]',
    );
  });

  it.each([[[]], [['{"id":"a","b":[1]}', '{}']]])('an array file of %j', async (documents) => {
    const file = join(folder, `${documents.length}.json`);
    const writer = await JsonFileWriter.create(file);
    for (const document of documents) await writer.add(parsed(document) as JsonObject);
    await writer.close();
    expect(readFileSync(file, 'utf8')).toBe(
      JSON.stringify(
        documents.map((each) => JSON.parse(each)),
        null,
        2,
      ),
    );
    await expect(JsonFileWriter.create(file)).rejects.toThrow(/EEXIST/);
  });
});

describe('JSON as JavaScript reads it', () => {
  const differences = (a: string, b: string) => looseDifferences(parseLoosely(a), parseLoosely(b));

  it.each([
    ['{"a":1,"b":{"c":[]}}', '{"b":{"c":[]},"a":1.0}'],
    ['[-0, 1e2, 1e16]', '[0, 100, 10000000000000000]'],
    ['[NaN, -Infinity, "NaN"]', '[null, null, "NaN"]'],
    ['["2025-07-01T10:00:00+09:00"]', '["2025-07-01T01:00:00.000Z"]'],
    ['{"a\\"NaN": "\\\\"}', '{"a\\u0022NaN": "\\u005c"}'],
  ])('%s is the same as %s', (a, b) => {
    expect(differences(a, b)).toEqual([]);
  });

  it.each([
    ['{"a":null}', '{}', 'a'],
    ['[9007199254740993]', '[9007199254740992]', '[0]'],
    ['["NaN"]', '[null]', '[0]'],
    ['[1]', '["1"]', '[0]'],
    ['[1]', '[1, null]', '[1]'],
    ['{"v":{"n":[{"x":1}]}}', '{"v":{"n":[{"x":2}]}}', 'v.n[0].x'],
    ['["2025-07-01T10:00:00"]', '["2025-07-01T10:00:00Z"]', '[0]'],
    ['["2025-07-01T10:00:00.000001Z"]', '["2025-07-01T10:00:00Z"]', '[0]'],
    ['[[]]', '[{}]', '[0]'],
  ])('%s is not the same as %s', (a, b, path) => {
    expect(differences(a, b).map((each) => each.path)).toEqual([path]);
  });
});

describe('SQLite files', () => {
  const DDL = `create table t (id integer primary key, at datetime, doc json, x float, n varchar(3) not null);
    create unique index u on t (n); create index i on t (x); create table other (id integer)`;

  function fileOf(name: string, sql: string): string {
    const file = join(folder, name);
    const db = new Database(file);
    db.exec(sql);
    db.close();
    return file;
  }

  const compared = (source: string, exported: string, setAside: bigint[] = []) => {
    const found = new Differences();
    const tables = [{ entity: 't', leftOut: new Set<string>() }];
    compareSqlite({ snapshot: source, exported, tables, setAside: () => setAside }, found);
    return found.listed.map(({ key, field, kind }) => [key, field, kind]);
  };

  const source = () =>
    fileOf(
      `${Math.random()}.db`,
      `${DDL}; insert into t values (1, '2025-01-01 00:00:00', '{"a": 1.0, "b": [null]}', 0.1, 'a'),
        (2, '2025-01-01 00:00:00.5', null, null, 'b'), (3, 'yesterday', 'null', 9e999, 'c')`,
    );

  it('a copy in other words is the same, but for what was set aside', () => {
    const file = source();
    const copy = join(folder, 'copy.db');
    const writer = new SqliteWriter(copy, file, ['t']);
    const row = (fields: Record<string, Raw>) =>
      writer.add('t', new Map(Object.entries(fields)), new Set(['doc']));
    const id = (n: number) => new JsonNumber(String(n));
    expect(
      row({ id: id(1), at: '2025-01-01 00:00:00.000000', doc: parsed('{"b":[null],"a":1}'), x: 0.1, n: 'a' }),
    ).toEqual([]);
    expect(row({ id: id(2), at: '2025-01-01 00:00:00.500000', n: 'b' })).toEqual([]);
    writer.finish();
    expect(compared(file, copy, [3n])).toEqual([]);
    expect(compared(file, copy)).toEqual([['id=3', null, 'missing']]);
  });

  it('the writer says what it has no place for', () => {
    const writer = new SqliteWriter(join(folder, 'refused.db'), source(), ['t']);
    const row = (fields: Record<string, Raw>) =>
      writer.add('t', new Map(Object.entries(fields)), new Set(['doc']));
    expect(row({ n: 'a', more: 'text', nothing: null })).toEqual([{ field: 'more', value: '"text"' }]);
    expect(row({ n: 'b', x: Number.NaN })).toEqual([{ field: 'x', value: 'NaN' }]);
    expect(row({ n: 'a' })).toEqual([{ value: expect.stringMatching(/UNIQUE constraint failed: t.n/) }]);
    expect(row({})).toEqual([{ value: expect.stringMatching(/NOT NULL constraint failed: t.n/) }]);
    writer.finish();
  });

  it.each([
    [`update t set at = '2025-01-01 00:00:00.000001' where id = 1`, ['id=1', 'at', 'changed']],
    [
      `update t set doc = '{"a": 1.0000000000000002, "b": [null]}' where id = 1`,
      ['id=1', 'doc.a', 'changed'],
    ],
    [`update t set doc = '{"a": 1.0, "b": [null], "c": null}' where id = 1`, ['id=1', 'doc.c', 'changed']],
    [`update t set doc = '{"a": 1.0, "b": {}}' where id = 1`, ['id=1', 'doc.b', 'changed']],
    [`update t set doc = null where id = 3`, ['id=3', 'doc', 'changed']],
    [`update t set x = 0.10000000000000002 where id = 1`, ['id=1', 'x', 'changed']],
    [`update t set n = 'a ' where id = 1`, ['id=1', 'n', 'changed']],
    [`delete from t where id = 2`, ['id=2', null, 'missing']],
    [`insert into t (id, n) values (4, 'd')`, ['id=4', null, 'extra']],
    [`drop index i`, ['i', null, 'changed']],
    [`create table more (id integer)`, ['more', null, 'extra']],
  ])('finds: %s', (sql, found) => {
    const file = source();
    const other = fileOf(`${Math.random()}.db`, '');
    const copy = new Database(other);
    copy.exec(`${DDL}; drop table other; attach '${file}' as s; insert into t select * from s.t; ${sql}`);
    copy.close();
    expect(compared(file, other)).toEqual([found]);
  });

  it('a series with one spelling is read: one bound value alone is no object of named ones', async () => {
    const file = fileOf(
      'one.db',
      `create table funding_rate_data (id integer primary key, symbol, funding_rate, funding_timestamp,
      timestamp, created_at); insert into funding_rate_data values (1, 'BTC/USDT:USDT', 0.1, '2025-01-01 00:00:00',
      '2025-01-01 00:00:00', '2025-01-02 00:00:00')`,
    );
    const store = new SqliteStore(file);
    const mapping = trdinger.tables.find((each) => each.table === 'funding_rate_data')!;
    const locators: string[] = [];
    for await (const block of store.reader(mapping).blocks(0))
      locators.push(...block.map((each) => each.locator));
    store.close();
    expect(locators).toEqual(['funding_rate_data rowid 1']);
  });
});
