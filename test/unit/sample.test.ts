import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Hazard, type SampleManifest, writeSample } from '../../jobs/sample/index.ts';
import { float, pythonJson } from '../../jobs/sample/python-json.ts';
import { TRDINGER_TABLES } from '../../jobs/sample/trdinger-schema.ts';

const scratch = mkdtempSync(join(tmpdir(), 'sample-'));
afterAll(() => rmSync(scratch, { recursive: true }));
let folders = 0;
const folder = () => join(scratch, String(folders++));

/** SHA-256 of every file below a folder, by path. */
function digests(root: string): Record<string, string> {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files
      .map(({ parentPath, name }) => join(parentPath, name))
      .sort()
      .map((path) => [
        path.slice(root.length),
        createHash('sha256').update(readFileSync(path)).digest('hex'),
      ]),
  );
}

const manifestOf = (root: string): SampleManifest =>
  JSON.parse(readFileSync(join(root, 'sample.json'), 'utf8'));

const first = folder();
beforeAll(async () => {
  await writeSample({ out: first, seed: 1 });
});

describe('the files', () => {
  test('same seed, same bytes; another seed, other bytes', async () => {
    const [second, other] = [folder(), folder()];
    await writeSample({ out: second, seed: 1 });
    await writeSample({ out: other, seed: 2 });
    expect(digests(second)).toEqual(digests(first));
    expect(Object.keys(digests(other))).toEqual(Object.keys(digests(first)));
    for (const file of [
      '/trdinger/trdinger.db',
      '/lightning-talk/server/data/participants.json',
      '/sample.json',
    ]) {
      expect(digests(other)[file]).not.toBe(digests(first)[file]);
    }
  });

  test('test/legacy is what seed 1 gives now (write it again with `cutover sample` if this fails)', () => {
    expect(digests(join(import.meta.dirname, '../legacy'))).toEqual(digests(first));
  });

  test('docs/hazards.md and the manifest know the same hazards, with the same outcomes', () => {
    const documented = new Set<string>();
    for (const line of readFileSync(join(import.meta.dirname, '../../docs/hazards.md'), 'utf8').split('\n')) {
      const cells = line.split('|').map((cell) => cell.trim());
      if (/^[A-Z]\d+$/.test(cells[1] ?? '')) documented.add(`${cells[1]} ${cells.at(-2)}`);
    }
    const planted = new Set(
      manifestOf(first).hazards.map(({ id, outcome }) =>
        // The quarantined record with a password is there for its payload.
        id === 'L23' ? 'L23 kept' : `${id} ${outcome}`,
      ),
    );
    expect([...planted].sort()).toEqual([...documented].sort());
  });
});

describe('options', () => {
  test('an earlier sample is replaced, another folder is not touched', async () => {
    const out = folder();
    await writeSample({ out, seed: 2, rows: { users: 9 } });
    await writeSample({ out, seed: 1 });
    expect(digests(out)).toEqual(digests(first));

    const foreign = folder();
    mkdirSync(join(foreign, 'trdinger'), { recursive: true });
    writeFileSync(join(foreign, 'trdinger', 'trdinger.db'), 'precious');
    writeFileSync(join(foreign, 'sample.json'), '{"name": "something else"}');
    await expect(writeSample({ out: foreign, seed: 1 })).rejects.toMatchObject({ kind: 'usage' });
    expect(readFileSync(join(foreign, 'trdinger', 'trdinger.db'), 'utf8')).toBe('precious');
    await expect(writeSample({ out: join(foreign, 'sample.json'), seed: 1 })).rejects.toMatchObject({
      kind: 'usage',
    });
  });

  test('unknown names and numbers that are none are refused, and nothing is written', async () => {
    const out = folder();
    const refused = (options: object, says: string) =>
      expect(writeSample({ out, seed: 1, ...options })).rejects.toMatchObject({
        kind: 'usage',
        message: expect.stringContaining(says),
      });
    await refused({ rows: { candles: 5 } }, 'candles');
    await refused({ rows: { settings: 5 } }, 'settings');
    await refused({ rows: { talks: -1 } }, '-1');
    await refused({ rows: { talks: 1.5 } }, '1.5');
    await refused({ seed: -1 }, '-1');
    await refused({ systems: ['notepad'] }, 'notepad');
    await refused({ systems: ['trdinger'], rows: { talks: 5 } }, 'talks');
    await expect(writeSample({ out, seed: 1, rows: { candles: 5 } })).rejects.toMatchObject({
      fix: expect.stringMatching(/ohlcv_data.*voting_sessions/),
    });
    expect(existsSync(out)).toBe(false);
  });

  test('one system alone', async () => {
    const out = folder();
    const manifest = await writeSample({ out, seed: 1, systems: ['lightning-talk'] });
    expect(readdirSync(out).sort()).toEqual(['lightning-talk', 'sample.json']);
    expect(Object.keys(manifest.rows)).toEqual(['lightning-talk']);
    expect(Object.keys(manifest.quarantined)).toEqual(['lightning-talk']);
  });

  test.each([1, 1100])(
    '%i ordinary rows everywhere, and the planted ones still hold',
    { timeout: 60_000 },
    async (count) => {
      const usual = manifestOf(first);
      const names = Object.values(usual.rows).flatMap((counts) => Object.keys(counts));
      const everywhere = (rows: number) =>
        Object.fromEntries(names.filter((name) => name !== 'settings').map((name) => [name, rows]));
      const [none, out] = [folder(), folder()];
      const planted = await writeSample({ out: none, seed: 5, rows: everywhere(0) });
      const manifest = await writeSample({ out, seed: 5, rows: everywhere(count) });

      for (const [system, counts] of Object.entries(planted.rows)) {
        for (const [name, rows] of Object.entries(counts)) {
          expect(manifest.rows[system]![name]).toBe(rows + (name === 'settings' ? 0 : count));
        }
      }
      for (const root of [none, out]) {
        expect(manifestOf(root).quarantined).toEqual(usual.quarantined);
        expect(outcomes(manifestOf(root), 'trdinger')).toEqual(trdingerByRule(root));
        expect(outcomes(manifestOf(root), 'lightning-talk')).toEqual(lightningTalkByRule(root));
      }
    },
  );
});

/** `entity locator CODE` of what the manifest says is quarantined. */
function outcomes(manifest: SampleManifest, system: string): string[] {
  const codes = manifest.hazards
    .filter((hazard) => hazard.system === system && !['kept', 'noted', 'merged'].includes(hazard.outcome))
    .map(({ entity, locator, outcome }) => `${entity} ${locator} ${outcome}`);
  const all = [...new Set(codes)].sort();
  expect(manifest.quarantined[system]).toBe(all.length);
  return all;
}

type Row = Record<string, Buffer | number | null>;

function withDatabase<T>(root: string, use: (db: Database.Database) => T): T {
  const db = new Database(join(root, 'trdinger', 'trdinger.db'), { readonly: true });
  try {
    return use(db);
  } finally {
    db.close();
  }
}

const columnsOf = (table: (typeof TRDINGER_TABLES)[number]) =>
  table.columns.map((column) => column.split(' '));

/** All rows of a table; text as bytes, because the driver cuts it at a NUL and dies of invalid UTF-8. */
function rowsOf(db: Database.Database, table: (typeof TRDINGER_TABLES)[number]): Row[] {
  const names = columnsOf(table).map(([name]) => name!);
  const values = names.map(
    (name) => `CASE typeof(${name}) WHEN 'text' THEN CAST(${name} AS BLOB) ELSE ${name} END`,
  );
  // Raw, because `all` gives an ArrayBuffer for a blob otherwise.
  const rows = db.prepare(`SELECT ${values} FROM ${table.name} ORDER BY id`).raw().all() as Row[string][][];
  return rows.map((row) => Object.fromEntries(names.map((name, at) => [name, row[at]!])));
}

const text = (value: unknown) => (Buffer.isBuffer(value) ? value.toString() : '');

/** Quarantined trdinger records by the words of docs/hazards.md, without a look at the manifest. */
function trdingerByRule(root: string): string[] {
  return withDatabase(root, (db) => {
    const found = new Set<string>();
    for (const table of TRDINGER_TABLES) {
      const types = columnsOf(table);
      for (const row of rowsOf(db, table)) {
        for (const [name, type] of types) {
          const value = row[name!]!;
          const add = (code: string) => found.add(`${table.name} ${row.id} ${code}`);
          if (type === 'FLOAT' && Buffer.isBuffer(value)) add('WRONG_STORAGE_CLASS');
          if (!Buffer.isBuffer(value)) continue;
          if (!isUtf8(value)) add('INVALID_UTF8');
          if (value.includes(0) || (type === 'JSON' && value.includes('\\u0000'))) add('NUL_CHARACTER');
          if (type === 'DATETIME' && !/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{6})?$/.test(text(value)))
            add('BAD_TIMESTAMP');
        }
      }
    }
    const rule = (entity: string, code: string, sql: string) => {
      for (const { id } of db.prepare(sql).all() as { id: number }[]) found.add(`${entity} ${id} ${code}`);
    };
    rule('ohlcv_data', 'FUTURE_TIMESTAMP', 'SELECT id FROM ohlcv_data WHERE timestamp > created_at');
    rule(
      'ohlcv_data',
      'MISALIGNED_TIMESTAMP',
      `SELECT id FROM ohlcv_data WHERE substr(timestamp, 15, 5) = '00:00' AND
       CAST(substr(timestamp, 12, 2) AS INTEGER) % CASE lower(timeframe) WHEN '4h' THEN 4 WHEN '1d' THEN 24 ELSE 1 END <> 0`,
    );
    rule(
      'ohlcv_data',
      'SHIFTED_COPY',
      `SELECT b.id FROM ohlcv_data a JOIN ohlcv_data b USING (symbol, timeframe, open, high, low, close, volume)
       WHERE timeframe = '1h' AND b.timestamp = strftime('%Y-%m-%d %H:%M:%S.000000', a.timestamp, '+9 hours')`,
    );
    rule(
      'generated_strategies',
      'ORPHAN_EXPERIMENT',
      'SELECT id FROM generated_strategies WHERE experiment_id NOT IN (SELECT id FROM ga_experiments)',
    );
    return [...found].sort();
  });
}

/** The texts of an array's elements, as they stand in the file. */
function elements(root: string, collection: string): string[] {
  const file = readFileSync(join(root, 'lightning-talk', 'server', 'data', `${collection}.json`), 'utf8');
  const parts = file.slice('[\n  {\n'.length, -'\n  }\n]'.length).split('\n  },\n  {\n');
  return parts.map((part) => `{${part}}`);
}

// biome-ignore lint/suspicious/noExplicitAny: documents of any shape are what this is about
type Json = any;

const parsed = (element: string): Json => JSON.parse(element.replaceAll(/: NaN\b/g, ': "NaN"'));

/** Quarantined lightning-talk records by the words of docs/hazards.md, without a look at the manifest. */
function lightningTalkByRule(root: string): string[] {
  const found = new Set<string>();
  const events = new Set(elements(root, 'events').map((event) => parsed(event).id));
  for (const collection of Object.keys(manifestOf(root).rows['lightning-talk']!)) {
    const seen = new Map<unknown, string>();
    for (const [index, element] of elements(root, collection).entries()) {
      const document = parsed(element);
      const add = (code: string) => found.add(`${collection} ${index} ${code}`);
      if (collection === 'settings') {
        if (index > 0) add('EXTRA_SETTINGS');
        continue;
      }
      if (typeof document.id !== 'string') add('MISSING_ID');
      else if (seen.has(document.id)) seen.get(document.id) !== element && add('DUPLICATE_ID');
      else seen.set(document.id, element);
      if (['participants', 'talks'].includes(collection) && !events.has(document.eventId))
        add('ORPHAN_EVENT');
      if (document.newsletter !== undefined && !/^(true|false|0|1)$/.test(String(document.newsletter)))
        add('BAD_BOOLEAN');
      if (collection === 'presentations' && !/^\d+$/.test(String(document.duration))) add('BAD_INTEGER');
      if (!JSON.stringify(document).isWellFormed() || /\\ud[89a-f]/.test(element)) add('LONE_SURROGATE');
      if (element.includes('\\u0000')) add('NUL_CHARACTER');
      const keys = [...element.matchAll(/^ {4}"([^"]+)":/gm)].map(([, key]) => key);
      if (new Set(keys).size < keys.length) add('DUPLICATE_KEY');
    }
  }
  return [...found].sort();
}

describe('trdinger.db', () => {
  test('has the DDL of a file that the legacy program made, to the letter', () => {
    const schema = withDatabase(
      first,
      (db) =>
        db.prepare('SELECT name, sql FROM sqlite_master ORDER BY rowid').all() as {
          name: string;
          sql: string;
        }[],
    );
    // SHA-256 of the same texts out of a file that SQLAlchemy's create-all made.
    const digest = createHash('sha256').update(schema.map(({ name, sql }) => sql ?? name).join('\n'));
    expect(digest.digest('hex')).toBe('0987c74207bc78ae06eb8f762ec72578b4090fb87b92d982320d832ad1569ef4');
  });

  test('is sound, in rollback-journal mode and alone in its folder', () => {
    expect(readdirSync(join(first, 'trdinger'))).toEqual(['trdinger.db']);
    const header = readFileSync(join(first, 'trdinger', 'trdinger.db')).subarray(0, 100);
    expect([header[18], header[19]]).toEqual([1, 1]);
    withDatabase(first, (db) => {
      expect(db.prepare('PRAGMA integrity_check').raw().all()).toEqual([['ok']]);
      for (const { name } of TRDINGER_TABLES) {
        const { rows } = db.prepare(`SELECT count(*) AS rows FROM ${name}`).get() as { rows: number };
        expect(rows).toBeGreaterThan(0);
        expect(manifestOf(first).rows.trdinger![name]).toBe(rows);
      }
    });
  });

  test('quarantined: what the manifest says is what the rules find', () => {
    expect(outcomes(manifestOf(first), 'trdinger')).toEqual(trdingerByRule(first));
  });

  test('merged: one record for each key that is there twice after conversion', () => {
    for (const [table, columns] of [
      ['ohlcv_data', "lower(timeframe) || substr(timestamp || '.000000', 1, 26)"],
      ['funding_rate_data', 'funding_timestamp'],
      ['open_interest_data', 'data_timestamp'],
    ]) {
      const { surplus } = withDatabase(
        first,
        (db) =>
          db
            .prepare(
              `SELECT count(*) - count(DISTINCT substr(symbol, 1, 3) || ${columns}) AS surplus FROM ${table}`,
            )
            .get() as { surplus: number },
      );
      const merged = manifestOf(first).hazards.filter(
        ({ entity, outcome }) => entity === table && outcome === 'merged',
      );
      expect(surplus).toBe(merged.length);
      expect(surplus).toBeGreaterThan(0);
    }
  });

  test('bars: high and low embrace open and close, none repeats', () => {
    withDatabase(first, (db) => {
      const wrong = db
        .prepare('SELECT id FROM ohlcv_data WHERE low > min(open, close) OR high < max(open, close)')
        .all();
      expect(wrong).toEqual([]);
    });
  });

  test('H11: the marked bar follows a gap of three hours', () => {
    const { locator } = manifestOf(first).hazards.find(({ what }) => what.startsWith('three hourly bars'))!;
    withDatabase(first, (db) => {
      const before = db.prepare(
        `SELECT strftime('%s', b.timestamp) - strftime('%s', a.timestamp) AS seconds
         FROM ohlcv_data a JOIN ohlcv_data b USING (symbol, timeframe) WHERE b.id = ? AND a.timestamp < b.timestamp
         ORDER BY a.timestamp DESC LIMIT 1`,
      );
      expect((before.get(locator) as { seconds: number }).seconds).toBe(4 * 3600);
    });
  });

  const ALIAS = /^(BTC|ETH)(USDT|-USDT|USDT_PERP|\/USDT)$/;
  const tokens = /\b(NaN|Infinity)\b/;
  const shows: Record<string, (row: Row, hazard: Hazard) => boolean> = {
    H1: ({ symbol }) => ALIAS.test(text(symbol)),
    H2: ({ timestamp }) => /:00$|:00\.000000$|\.123456$/.test(text(timestamp)),
    H4: (row) =>
      [row.volume, row.best_fitness].some((value) => Math.abs(Number(value)) === Infinity) ||
      tokens.test(text(row.performance_metrics)),
    H5: ({ parent_ids }, { what }) =>
      what.includes('SQL') ? parent_ids === null : text(parent_ids) === 'null',
    H6: (row) => text(row.error_message).length === 800 || text(row.strategy_name).length === 150,
    H7: (row) => row.experiment_id === 999 || row.backtest_result_id === 777,
    H8: ({ open_interest_value: value }, { what }) =>
      what.includes('1e9') ? Number(value) > 9e8 : Number(value) > 4e4 && Number(value) < 6e4,
    H9: ({ funding_rate }) => [1e-5, 1.25e-8, 0].includes(Number(funding_rate)),
    H10: ({ index_price, mark_price }) => index_price === null && mark_price !== null,
    H12: ({ name }) => text(name) === '自動戦略テスト',
    H13: ({ timeframe }) => text(timeframe) === '1D',
    H14: (row) =>
      row.volume === 5e-324 || row.volume === 0 || text(row.performance_metrics).includes(': -0.0'),
    X4: (row) => text(row.error_message).includes('\0') || text(row.config_json).includes('\\u0000'),
    S1: (row) => text(row.open_interest_value) === 'n/a',
    S2: (row) => !isUtf8(row.description as Buffer),
    S3: (row) => text(row.timestamp) === 'yesterday',
  };

  test.each(Object.entries(shows))('%s: each locator points to such a row', (id, shown) => {
    withDatabase(first, (db) => {
      const hazards = manifestOf(first).hazards.filter(
        (hazard) => hazard.id === id && hazard.system === 'trdinger',
      );
      expect(hazards.length).toBeGreaterThan(0);
      for (const hazard of hazards) {
        const table = TRDINGER_TABLES.find(({ name }) => name === hazard.entity)!;
        const row = rowsOf(db, table).find((each) => String(each.id) === hazard.locator)!;
        expect(shown(row, hazard), `${hazard.entity} ${hazard.locator}: ${hazard.what}`).toBe(true);
      }
    });
  });
});

describe('lightning-talk', () => {
  const data = join(first, 'lightning-talk', 'server', 'data');
  const COLLECTIONS = [
    'analytics',
    'events',
    'participants',
    'presentation_interactions',
    'presentations',
    'settings',
    'talks',
    'users',
    'voting_sessions',
  ];

  test('is nine arrays in the layout of the legacy writer', () => {
    expect(readdirSync(data)).toEqual(COLLECTIONS.map((name) => `${name}.json`));
    for (const collection of COLLECTIONS) {
      const file = readFileSync(join(data, `${collection}.json`), 'utf8');
      expect(elements(first, collection).length).toBe(manifestOf(first).rows['lightning-talk']![collection]);
      // Two of them hold what `JSON.stringify` cannot write.
      if (collection !== 'talks' && collection !== 'participants') {
        expect(file).toBe(JSON.stringify(JSON.parse(file), null, 2));
      }
    }
  });

  test('quarantined: what the manifest says is what the rules find', () => {
    expect(outcomes(manifestOf(first), 'lightning-talk')).toEqual(lightningTalkByRule(first));
  });

  test('merged: identical copies and registrations of one address, the one that stays being marked', () => {
    const participants = elements(first, 'participants').map(parsed);
    const hazards = manifestOf(first).hazards.filter(({ entity }) => entity === 'participants');
    const groups = new Map<string, [number, Json][]>();
    for (const [index, participant] of participants.entries()) {
      const key = `${participant.eventId} ${participant.email.toLowerCase()}`;
      groups.set(key, [...(groups.get(key) ?? []), [index, participant]]);
    }
    const merged: string[] = [];
    for (const group of groups.values()) {
      const standing = group.filter(([, { status }]) => status !== 'cancelled');
      const [winner] = [...(standing.length > 0 ? standing : group)].sort(([, a], [, b]) =>
        a.createdAt < b.createdAt ? -1 : a.createdAt > b.createdAt ? 1 : 0,
      );
      for (const member of group) if (member !== winner) merged.push(String(member[0]));
    }
    expect(hazards.filter(({ outcome }) => outcome === 'merged').map(({ locator }) => locator)).toEqual(
      merged,
    );
  });

  test('children have parents, speakers included, unless a hazard says otherwise', () => {
    const ids = (collection: string) =>
      new Set(elements(first, collection).map((element) => parsed(element).id));
    const [events, talks, presentations] = ['events', 'talks', 'presentations'].map(ids);
    const eventOfParticipant = new Map(
      elements(first, 'participants')
        .map(parsed)
        .map(({ id, eventId }) => [id, eventId]),
    );
    const planted = new Set(
      manifestOf(first)
        .hazards.filter(({ id }) => ['L4', 'L5', 'L16'].includes(id))
        .map(({ entity, locator }) => `${entity} ${locator}`),
    );
    for (const collection of COLLECTIONS) {
      for (const [index, element] of elements(first, collection).entries()) {
        if (planted.has(`${collection} ${index}`)) continue;
        const { eventId, speakerId, talkId, presentationId } = parsed(element);
        if (eventId != null) expect(events).toContain(eventId);
        if (speakerId != null) expect(eventOfParticipant.get(speakerId)).toBe(eventId);
        if (talkId != null) expect(talks).toContain(talkId);
        if (presentationId != null) expect(presentations).toContain(presentationId);
      }
    }
  });

  test('ids do not repeat in a large collection', { timeout: 60_000 }, async () => {
    const out = folder();
    const rows = { presentations: 20_000, participants: 20_000 };
    await writeSample({ out, seed: 3, systems: ['lightning-talk'], rows });
    for (const collection of Object.keys(rows)) {
      const ids = elements(out, collection).map((element) => /"id": "([^"]+)"/.exec(element)?.[1]);
      // The planted copy of a participant, and the one without an id.
      const repeated = collection === 'participants' ? 1 : 0;
      expect(new Set(ids).size).toBe(ids.length - repeated);
    }
  });

  test('addresses are of example domains only', () => {
    for (const collection of COLLECTIONS) {
      const file = readFileSync(join(data, `${collection}.json`), 'utf8');
      for (const [address] of file.matchAll(/[\w.]+@[\w.]+/g))
        expect(address).toMatch(/@(lt\.)?example\.(com|org|net)$/i);
    }
  });

  test('every secret can be recognised', () => {
    for (const collection of COLLECTIONS) {
      const secrets = elements(first, collection).flatMap(
        (element) => element.match(/"password(Hash)?": ".*"/g) ?? [],
      );
      if (collection === 'users') expect(secrets.length).toBeGreaterThan(1);
      for (const secret of secrets) expect(secret).toContain('PLANTED-FAKE-SECRET');
    }
  });

  const shows: Record<string, (document: Json, element: string, hazard: Hazard) => boolean> = {
    L2: ({ id }) => id == null,
    L4: ({ eventId }) => eventId === 'event-999',
    L5: ({ speakerId }) => speakerId === undefined || speakerId === '1751000000000-nosuchone',
    L6: ({ speakerId, speakerEmail }) =>
      speakerId === undefined && speakerEmail === 'hanako.aoba@example.com',
    L7: ({ newsletter, checkedIn }) => typeof newsletter !== 'boolean' || typeof checkedIn !== 'boolean',
    L8: (document, _, { what }) =>
      what.includes('no message')
        ? !('message' in document)
        : document.message === (what.includes('null') ? null : ''),
    L9: ({ date }) => ['2025-09-01', '2025-09-01T19:00:00'].includes(date),
    L10: ({ date, endDate }) => endDate <= date,
    L11: (document) => '_comment' in document || 'tshirtSize' in document || 'slidesUrl' in document,
    L12: ({ duration }) => typeof duration === 'string',
    L13: ({ averageRating, results }) => ['4.33', 0].includes(averageRating ?? results.averageRating),
    L14: ({ ipAddress }) => ipAddress === undefined || /^::|, /.test(ipAddress),
    L16: ({ eventId }) => eventId === 'event-999',
    L17: ({ timestamp, date }, _, { outcome }) => {
      const day = new Date(timestamp).toLocaleDateString('en-US', {
        timeZone: 'Asia/Tokyo',
        weekday: 'short',
        month: 'short',
        day: '2-digit',
        year: 'numeric',
      });
      return (day.replaceAll(',', '') === date) === (outcome === 'kept');
    },
    L18: ({ name, title }) => /\p{Extended_Pictographic}|𠮷|[“”’]/u.test(name ?? title),
    L20: ({ status }) => status === 'postponed',
    L21: ({ venue, eventId }) => venue?.capacity === 1 || eventId === 'event-202',
    L22: ({ emergencyContact }) => emergencyContact === '000-0000-0000',
    L23: ({ password, passwordHash }) => /PLANTED/.test(password ?? passwordHash),
    L24: (_, element) => element.match(/"message"/g)?.length === 2,
    L25: ({ title }) => !title.isWellFormed(),
    L26: ({ message }) => message.includes('\0'),
    L27: (_, element) => element.includes('"averageRating": NaN'),
  };

  test.each(Object.entries(shows))('%s: each locator points to such a document', (id, shown) => {
    const hazards = manifestOf(first).hazards.filter((hazard) => hazard.id === id);
    expect(hazards.length).toBeGreaterThan(0);
    for (const hazard of hazards) {
      const element = elements(first, hazard.entity)[Number(hazard.locator)]!;
      expect(
        shown(parsed(element), element, hazard),
        `${hazard.entity}[${hazard.locator}]: ${hazard.what}`,
      ).toBe(true);
    }
  });

  test('L1, L19: the record ahead is the one they are compared with', () => {
    for (const { id, entity, locator, outcome } of manifestOf(first).hazards) {
      if (id !== 'L1' && id !== 'L19') continue;
      const [ahead, element] = elements(first, entity).slice(Number(locator) - 1) as [string, string];
      if (id === 'L19') expect(parsed(element).createdAt < parsed(ahead).createdAt).toBe(true);
      else {
        expect(parsed(element).id).toBe(parsed(ahead).id);
        expect(element === ahead).toBe(outcome === 'merged');
      }
    }
  });
});

test('pythonJson writes what json.dumps writes', () => {
  // Expected texts from CPython 3.11's json.dumps of the same values.
  const numbers = [5, 0, -0, 1e-4, 1e-5, 1.25e-8, 5e-324, 0.1, 123456.789, 1e15, 1e16, 1.2345e17, -2.5e-7];
  expect(pythonJson(numbers.map(float))).toBe(
    '[5.0, 0.0, -0.0, 0.0001, 1e-05, 1.25e-08, 5e-324, 0.1, 123456.789, 1000000000000000.0, 1e+16, 1.2345e+17, -2.5e-07]',
  );
  expect(pythonJson([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map(float))).toBe(
    '[NaN, Infinity, -Infinity]',
  );
  expect(pythonJson({ 名: '𠮷"\\\n\u007f\u0000', 回: 3, n: null, t: true, e: [], o: {} })).toBe(
    '{"\\u540d": "\\ud842\\udfb7\\"\\\\\\n\\u007f\\u0000", "\\u56de": 3, "n": null, "t": true, "e": [], "o": {}}',
  );
});
