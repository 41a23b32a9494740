import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import Database from 'libsql';
import pg from 'pg';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { urlFor } from '../../jobs/database.ts';
import { isQuarantined, type SampleManifest } from '../../jobs/sample/manifest.ts';
import { Secrets } from '../../jobs/secrets.ts';
import { SQL } from '../../jobs/sql.ts';
import { asAdmin, cutover, dropSystems, LEGACY, run, scratch, systemNamed } from './harness.ts';
import { BUDGET } from './proof.ts';

const NAME = 'instant-search';
const DATABASE = systemNamed(NAME).database;
const SOURCE = join(LEGACY, NAME, 'app.db');

/** What must have become of a record; written by hand from docs/hazards.md and the sample's own words. */
interface Expected {
  /** Columns of its row, as JSON. */
  readonly row?: Readonly<Record<string, unknown>>;
  /** All notes of its row, each under the hazard's id: path, and what the source had. */
  readonly notes?: readonly (readonly [path: string, was: string])[];
  /** Of a merged record: the rowid of the one that stayed. */
  readonly merged?: string;
  /** Of a quarantined one: the field of the reason, and what its payload has. */
  readonly field?: string;
  readonly payload?: RegExp;
}

const OWNER = '18bd3098-830a-4642-ba72-089671cd148a';
const CAPITALS = 'aa5943b5-1f96-43ef-8050-133539e61785';
const QUESTION = '63700837-5de6-4956-887a-9108cca7c16f';

/** By table and rowid in the file. */
const EXPECTED: Readonly<Record<string, Expected>> = {
  'users 8': { row: { id: '176c6aeb-297e-4033-8c96-abc8cd7c474a', email: 'demo@example.com' } },
  'users 9': { row: { id: 'e5de0d5a-e347-487f-9276-165f4641ace9', name: 'Guest' } },
  'users 10': {
    row: {
      name: 'User 8652f213-52e6-4ea5-99d6-f227cafdddf3',
      email: 'user-8652f213-52e6-4ea5-99d6-f227cafdddf3@example.com',
      created_at: '2026-01-05T03:04:00.012345+00:00',
    },
  },
  'users 11': { row: { name: '長い名前'.repeat(40).slice(0, 150) } },
  'users 12': { row: { email: 'hanako.aoba@example.com' } },
  'users 13': { row: { email: 'Hanako.Aoba@example.com' } },
  'users 14': { row: { email: 'ren\u00e9@example.com' } },
  'users 15': { row: { email: 'rene\u0301@example.com' } },
  'users 16': { row: { id: CAPITALS, name: 'CAPITALS' }, notes: [['id', CAPITALS.toUpperCase()]] },
  'users 17': {
    row: { id: 'fada594f-564c-46e2-bba3-9a53534f4ef9', name: 'nodashes' },
    notes: [['id', 'fada594f564c46e2bba39a53534f4ef9']],
  },
  'users 19': { field: 'id', payload: /"email":"twice\.again@example\.com"/ },
  'users 20': { field: 'id', payload: /"id":"guest-42"/ },
  'users 21': { field: 'updated_at', payload: /"updated_at":"2026-01-05T04:00:00\.123456\+00:00Z"/ },

  'study_books 17': { row: { title: '長い題名'.repeat(100) } },
  'study_books 18': { row: { title: '同じ題名の本', user_id: OWNER, description: null } },
  'study_books 19': { row: { title: '同じ題名の本', user_id: OWNER } },
  'study_books 20': { field: 'user_id', payload: /"user_id":"eafab807-a169-4665-82d7-c70149bfb438"/ },
  'study_books 21': { row: { user_id: CAPITALS }, notes: [['user_id', CAPITALS.replaceAll('-', '')]] },
  'study_books 22': { merged: '23' },

  'questions 63': { field: 'study_book_id', payload: /"question":"本が消された問題"/ },
  'questions 64': { field: 'study_book_id', payload: /"question":"持ち主のない本の問題"/ },
  'questions 65': { row: { answer: ' ' } },
  'questions 66': { row: { answer: '' } },
  'questions 67': {
    row: {
      answer: 'def f(path):\n\tif path == "C:\\\\temp\\\\%s":\n\t\treturn \'it\'\'s\', `x`, "q"\r\n',
    },
  },
  'questions 68': {
    row: { question: "100%_sure? it's 50_50'; DROP TABLE questions; --", answer: '%_%' },
  },
  'questions 69': {
    row: {
      question: `${'長い問題文です。'.repeat(249)}終わりの文字列`.slice(0, 2000),
      answer: 'x'.repeat(2000),
    },
  },
  'questions 70': { row: { question: '🎉 絵文字と 𠮷 を表示する 👩‍💻', answer: 'print("🎉")' } },
  'questions 71': { row: { question: 'ＰＹＴＨＯＮ　３ のﾊﾞｰｼﾞｮﾝは？', answer: '３．１２' } },
  'questions 72': {
    row: { question: 'Un café, s’il vous plaît: <b>naïve</b> & "résumé"', answer: 'e\u0301 == é' },
  },
  'questions 73': { row: { language: 'Python', category: 'user-created' } },
  'questions 74': { row: { language: 'Python3' } },
  'questions 75': { row: { language: 'python3' } },
  'questions 76': { row: { created_at: '2026-01-06T00:00:05+00:00' } },
  'questions 77': { row: { created_at: '2026-01-06T00:00:05.5+00:00' } },
  'questions 78': { field: 'answer', payload: /"answer":"before\\u0000after"/ },
  'questions 79': { field: 'answer', payload: /"answer":\{"\$hex":"e697a5e69c"\}/ },

  'typing_logs 51': { row: { took_ms: 3_000_000_000 } },
  'typing_logs 52': {
    row: { user_id: OWNER, question_id: null },
    notes: [['question_id', 'b3f66fd3-0a47-4c8a-9ad6-d41b4cea8483']],
  },
  'typing_logs 53': {
    row: { user_id: OWNER, question_id: null },
    notes: [['question_id', '86a9a0c6-a573-402c-b776-bb693152d87f']],
  },
  'typing_logs 54': { field: 'user_id', payload: /"user_id":"eafab807-a169-4665-82d7-c70149bfb438"/ },
  'typing_logs 55': { row: { accuracy: 0.30000000000000004 } },
  'typing_logs 56': { row: { accuracy: 0.9333333333333333 } },
  'typing_logs 57': { row: { wpm: 0, accuracy: 0, took_ms: 0 } },
  'typing_logs 58': { row: { wpm: 1000, accuracy: 1 } },
  'typing_logs 59': { row: { question_id: QUESTION }, notes: [['question_id', QUESTION.toUpperCase()]] },
  'typing_logs 61': { merged: '60' },
  'typing_logs 62': { field: 'question_id', payload: /"question_id":"question-7"/ },
  'typing_logs 63': { field: 'wpm', payload: /"wpm":"fast"/ },
  'typing_logs 64': {
    row: { created_at: '2026-01-07T00:00:00.5+00:00' },
    notes: [['created_at', '2026-01-07T00:00:00.5Z']],
  },
  'typing_logs 65': {
    row: { created_at: '2026-01-07T00:00:00+00:00' },
    notes: [['created_at', '2026-01-07T00:00:00.000000Z']],
  },

  'learning_events 61': { row: { duration_ms: 9_999_999_999 } },
  'learning_events 62': { row: { app_id: 'app-'.repeat(75) } },
  'learning_events 63': { row: { object_id: 'non-uuid-object' } },
  'learning_events 64': { row: { user_id: 'eafab807-a169-4665-82d7-c70149bfb438', object_id: QUESTION } },
  'learning_events 65': { row: { user_id: CAPITALS.toUpperCase() } },
  'learning_events 66': { row: { score: 0.9333333333333333 } },
  'learning_events 67': { row: { occurred_at: '2026-01-08T00:00:59.9997+00:00' } },
};

const manifest = JSON.parse(readFileSync(join(LEGACY, 'sample.json'), 'utf8')) as SampleManifest;
const hazards = manifest.hazards.filter(({ system, entity }) => system === NAME && entity !== 'file');

function inFile<T>(file: string, use: (db: Database.Database) => T): T {
  const db = new Database(file);
  try {
    return use(db);
  } finally {
    db.close();
  }
}

describe('instant-search', () => {
  const platform = inject('platform');
  let home: string;
  beforeAll(async () => {
    home = await scratch();
    await dropSystems(platform);
    expect(await run(platform, home, { system: NAME, budget: BUDGET })).toMatchObject({ ok: true });
  });

  const query = <T extends pg.QueryResultRow>(sql: string, values: unknown[] = []) =>
    asAdmin(platform, DATABASE, async (client) => (await client.query<T>(sql, values)).rows);

  /** The row of a record that lies in the source file under this rowid. */
  async function rowOf(table: string, rowid: string): Promise<Record<string, unknown> | undefined> {
    const [id] = inFile(`file:${SOURCE}?mode=ro`, (db) =>
      db.prepare(`select id from ${table} where rowid = ?`).raw(true).get(Number(rowid)),
    ) as unknown as [string];
    if (!/^[0-9a-f-]{32,36}$/i.test(id)) return undefined;
    const rows = await query<{ row: Record<string, unknown> }>(
      `select to_jsonb(t) as row from public.${table} as t where id = $1`,
      [id],
    );
    return rows[0]?.row;
  }

  describe('what became of each hazard', () => {
    it('there is an expectation for each record of the manifest, and for no other', () => {
      const planted = hazards.map(({ entity, locator }) => `${entity} ${locator}`);
      expect(planted.sort()).toEqual(Object.keys(EXPECTED).sort());
    });

    it.each(
      hazards.map((hazard) => [`${hazard.id} ${hazard.entity} ${hazard.locator}: ${hazard.what}`, hazard]),
    )('%s', async (_name, hazard) => {
      const { id, entity, locator, outcome } = hazard as (typeof hazards)[number];
      const { row: columns, notes = [], merged, field, payload } = EXPECTED[`${entity} ${locator}`]!;
      const place = `${entity} rowid ${locator}`;
      if (merged !== undefined) {
        const found = await query(
          'select winner, rule, identical from migration.merged where table_name = $1 and locator = $2',
          [entity, place],
        );
        expect(outcome).toBe('merged');
        expect(found).toEqual([{ winner: `${entity} rowid ${merged}`, rule: id, identical: true }]);
      } else if (columns === undefined) {
        const found = await query(
          'select code, field, payload from migration.quarantine where table_name = $1 and locator = $2',
          [entity, place],
        );
        expect(found).toEqual([{ code: outcome, field, payload: expect.stringMatching(payload!) }]);
        // The other spelling of a doubled id is the one that stays.
        if (outcome !== 'DUPLICATE_ID') expect(await rowOf(entity, locator)).toBeUndefined();
      } else {
        const row = await rowOf(entity, locator);
        expect(row).toMatchObject(columns);
        const expected = notes.map(([path, was]) => ({ rule: id, path, was }));
        expect(row!.extra).toEqual(notes.length === 0 ? null : { $notes: expected });
        expect(outcome).toBe(notes.length === 0 ? 'kept' : 'noted');
      }
    });

    it('I17: the row in the application’s own spelling is the one that is stored', async () => {
      expect(await rowOf('users', '19')).toMatchObject({ email: 'twice@example.com', extra: null });
      expect(await rowOf('study_books', '22')).toMatchObject({ title: '二度書かれた本', extra: null });
    });

    it('I20: instants come in the order of time, not of their text', async () => {
      const rows = await query<{ created_at: Date }>(
        `select created_at from questions where created_at >= '2026-01-06' order by created_at`,
      );
      expect(rows.map((row) => row.created_at.toISOString())).toEqual([
        '2026-01-06T00:00:05.000Z',
        '2026-01-06T00:00:05.500Z',
      ]);
    });

    it('every record is accounted for, and a book’s deletion takes its questions along', async () => {
      const rows = await query<{ table_name: string; read: string; kept: string }>(
        `select table_name, read, inserted + merged + quarantined as kept from migration.progress`,
      );
      for (const { table_name, read, kept } of rows) {
        expect([table_name, Number(read)]).toEqual([table_name, manifest.rows[NAME]![table_name]]);
        expect(kept).toBe(read);
      }
      const set = new Set(hazards.filter(isQuarantined).map(({ entity, locator }) => `${entity} ${locator}`));
      const quarantined = await query<{ n: number }>('select count(*)::int as n from migration.quarantine');
      expect(quarantined).toEqual([{ n: set.size }]);
    });
  });

  it('an export is proved equal, and the legacy application can go on with it', async () => {
    const out = await scratch();
    const { code, stdout } = await cutover(platform, home, ...['export', '--system', NAME, '--out', out]);
    expect([code, stdout]).toEqual([0, expect.stringContaining('is equal to snapshot')]);
    const schema = `select type, name, tbl_name, sql from sqlite_master
      where name not like 'questions_fts\\_%' escape '\\' order by type, name`;
    const legacy = inFile(`file:${SOURCE}?mode=ro`, (db) => db.prepare(schema).all());
    inFile(join(out, NAME, 'app.db'), (db) => {
      expect(db.prepare(schema).all()).toEqual(legacy);
      expect(db.prepare('select * from alembic_version').all()).toEqual([{ version_num: '001' }]);
      expect(db.prepare('pragma quick_check').all()).toEqual([{ quick_check: 'ok' }]);
      const matches = (word: string) =>
        db
          .prepare('select count(*) from questions_fts where questions_fts match ?')
          .raw(true)
          .get(word) as unknown as number[];
      expect(matches('haskell')).toEqual([0]);
      const before = matches('python')[0]!;
      expect(before).toBeGreaterThan(0);
      db.exec(`insert into questions select 'new', study_book_id, language, category, difficulty, 'python again', '',
        created_at, updated_at from questions limit 1`);
      expect(matches('python')).toEqual([before + 1]);
    });
  });

  it('has the settings of the plan, in its own database alone', async () => {
    const rows = await query<{ setting: string }>(
      `select unnest(setconfig) as setting from pg_db_role_setting join pg_database on pg_database.oid = setdatabase
       where datname = $1`,
      [DATABASE],
    );
    const settings = rows.map(({ setting }) => setting);
    expect(settings).toContain('default_text_search_config=pg_catalog.english');
    expect(settings).toContain('track_io_timing=on');
  });

  it('no look-up index refuses a long text, whether it is there already or is built over it', async () => {
    const long = `(select string_agg(md5(n::text), '') from generate_series(1, 332) as n)`;
    await query(`insert into learning_events (user_id, app_id, action) select ${long}, 'x', ${long}`);
    const indexes = ['idx_learning_events_user', 'idx_learning_events_action', 'idx_users_email_lower'];
    // The unique constraint is a B-tree by nature.
    const users = 'alter table users drop constraint users_email_key';
    await asAdmin(platform, DATABASE, async (client) => {
      await client.query(`begin; ${users}`);
      await client.query(`insert into users (name, email) select 'long', left(${long}, 9000)`);
      await client.query(`drop index ${indexes.join()}`);
      await client.query(readFileSync(join(SQL, NAME, 'after-load/1-indexes.sql'), 'utf8'));
      for (const name of indexes)
        expect((await client.query('select to_regclass($1) as there', [name])).rows).toEqual([
          { there: name },
        ]);
      const { rows } = await client.query(
        `explain select * from learning_events where user_id = 'x' order by occurred_at desc`,
      );
      expect(rows.map((row) => row['QUERY PLAN']).join()).not.toContain('Seq Scan');
      await client.query('rollback');
    });
    await query(`delete from learning_events where length(action) > 10000`);
  });

  it('reindex builds every index anew, and takes away what a rebuild that was cut short left', async () => {
    const files = () =>
      query<{ name: string; file: string; valid: boolean }>(
        `select indexrelid::regclass::text as name, pg_relation_filenode(indexrelid)::text as file, indisvalid as valid
         from pg_index join pg_class on pg_class.oid = indrelid where relnamespace = 'public'::regnamespace order by 1`,
      );
    const before = await files();
    await query('create index idx_questions_trigram_ccnew on questions (language)');
    await query(
      `update pg_index set indisvalid = false where indexrelid = 'idx_questions_trigram_ccnew'::regclass`,
    );
    const { code, stdout } = await cutover(platform, home, 'reindex', '--system', NAME);
    expect([code, stdout]).toEqual([0, expect.stringContaining('18 indexes of 5 tables were built anew')]);
    const after = await files();
    expect(after.map(({ name, valid }) => [name, valid])).toEqual(before.map(({ name }) => [name, true]));
    for (const [i, { name, file }] of after.entries())
      expect([name, file]).not.toEqual([name, before[i]!.file]);
  });

  it('reindex finds the indexes of partitions and chunks', async () => {
    expect(await run(platform, home, { system: 'trdinger', budget: BUDGET })).toMatchObject({ ok: true });
    const { code, stdout } = await cutover(platform, home, 'reindex', '--system', 'trdinger');
    expect(code).toBe(0);
    const chunks = await asAdmin(platform, 'trdinger', (client) =>
      client.query(
        `select from pg_indexes where schemaname = '_timescaledb_internal' and tablename ~ '_chunk$'`,
      ),
    );
    const [, built] = /(\d+) indexes of 9 tables/.exec(stdout)!;
    expect(Number(built)).toBeGreaterThan(chunks.rowCount!);
  });

  describe('search_questions', () => {
    interface Hit {
      question_id: string;
      question: string;
      highlight: string;
      score: number;
    }
    const search = (words: string | null, user = OWNER, limit?: number | null) =>
      query<Hit>(
        limit === undefined
          ? 'select * from search_questions($1, $2)'
          : 'select * from search_questions($1, $2, $3)',
        limit === undefined ? [words, user] : [words, user, limit],
      );

    it('finds all that a right FTS5 index finds, for each user, and never another one’s', async () => {
      const stored = await query<{ id: string; user_id: string; question: string; answer: string }>(
        `select q.id, b.user_id, question, answer from questions q join study_books b on b.id = q.study_book_id`,
      );
      const ownerOf = new Map(stored.map(({ id, user_id }) => [id, user_id]));
      const oracle = new Database(':memory:');
      oracle.exec(`create virtual table f using fts5(id unindexed, question, answer, tokenize = 'unicode61');
        create virtual table terms using fts5vocab(f, 'row')`);
      const insert = oracle.prepare('insert into f values (?, ?, ?)');
      for (const { id, question, answer } of stored) insert.run(id, question, answer);
      const words = new Set(['test', 'python', 'programming', '学習']);
      for (const { question, answer } of stored) {
        for (const word of `${question} ${answer}`.split(/\s+/)) words.add(word);
      }
      for (const [term] of oracle
        .prepare('select term from terms')
        .raw(true)
        .all() as unknown as string[][]) {
        words.add(term!);
      }
      // The legacy API takes 200 characters.
      const asked = [...words].filter((word) => [...word].length <= 200 && word !== '').sort();
      const users = [...new Set(ownerOf.values())];
      const found = new Map<string, Set<string>>();
      for (const { word, user_id, ids } of await query<{ word: string; user_id: string; ids: string[] }>(
        `select word, user_id, array_agg(question_id) as ids
         from unnest($1::text[]) as word, unnest($2::uuid[]) as user_id, search_questions(word, user_id, 100)
         group by word, user_id`,
        [asked, users],
      )) {
        found.set(`${word} ${user_id}`, new Set(ids));
        for (const id of ids) expect([word, ownerOf.get(id)]).toEqual([word, user_id]);
      }
      const match = oracle.prepare('select id from f where f match ?').raw(true);
      const missing: string[] = [];
      let [expected, total] = [0, 0];
      for (const word of asked) {
        for (const [id] of match.all(`"${word.replaceAll('"', '""')}"`) as unknown as string[][]) {
          expected++;
          if (!found.get(`${word} ${ownerOf.get(id!)}`)?.has(id!)) missing.push(`${word}: ${id}`);
        }
      }
      for (const ids of found.values()) total += ids.size;
      oracle.close();
      expect(missing).toEqual([]);
      const figures = { words: asked.length, users: users.length, byFts5: expected, more: total - expected };
      console.log(`search parity: ${JSON.stringify(figures)}`);
      expect(figures).toMatchInlineSnapshot(`
        {
          "byFts5": 978,
          "more": 94,
          "users": 7,
          "words": 249,
        }
      `);
    });

    it('finds the words of the plan', async () => {
      for (const word of ['test', 'python', 'programming', '学習']) {
        const [{ n }] = (await query<{ n: number }>(
          'select count(*)::int as n from users, search_questions($1, users.id)',
          [word],
        )) as [{ n: number }];
        expect([word, n > 0]).toEqual([word, true]);
      }
    });

    it('finds unspaced words in the middle of a phrase, other forms, similar words, any of several', async () => {
      const questions = async (words: string) => (await search(words)).map(({ question }) => question);
      const [emoji, wide, accents] = await Promise.all(
        ['70', '71', '72'].map(async (rowid) => String((await rowOf('questions', rowid))!.question)),
      );
      expect(await questions('文字')).toContain(emoji);
      expect(await questions('バージョン')).toEqual([wide]);
      expect(await questions('python')).toEqual([wide]);
      expect(await questions('cafe resume')).toEqual([accents]);
      expect(await questions('explaining')).toEqual(['Explain this code:']);
      expect(await questions('explian')).toEqual([]);
      expect(await questions('explan')).toEqual(['Explain this code:']);
      expect(await questions('バージョン nothing naive')).toHaveLength(2);
      const [list] = await query<{ user_id: string }>(
        `select user_id from questions q join study_books b on b.id = study_book_id where question = 'リスト内包表記とは？'`,
      );
      for (const word of ['リスト', '内包', '表記とは']) {
        expect((await search(word, list!.user_id)).map(({ question }) => question)).toContain(
          'リスト内包表記とは？',
        );
      }
    });

    it('marks what it found in escaped HTML', async () => {
      const marked = async (words: string) => (await search(words))[0]!.highlight;
      expect(await marked('naive')).toBe(
        'Un café, s’il vous plaît: &lt;b&gt;<mark>naïve</mark>&lt;/b&gt; &amp; &quot;résumé&quot;',
      );
      const inPhrase = (await search('文字')).map(({ highlight }) => highlight);
      expect(inPhrase).toContain('🎉 絵<mark>文字</mark>と 𠮷 を表示する 👩‍💻');
      expect(await marked('this')).toBe('Explain <mark>this</mark> code:');
      // Found in the answer.
      expect(await marked('temp')).toBe('Explain this code:');
    });

    it('takes signs for signs, and nothing for nothing', async () => {
      for (const words of [
        null,
        '',
        '   ',
        '%',
        '_',
        "'",
        '%_%',
        '"" \\ ( ) & | ! :* <-> \' --',
        '🎉',
        '．。、',
      ]) {
        expect([words, await search(words)]).toEqual([words, []]);
      }
      expect(await search("50_50'; DROP TABLE questions; --")).not.toEqual([]);
      expect((await search('temp%s'))[0]!.question).toBe('Explain this code:');
      // Cut at 200 characters.
      expect(await search(`${'zz '.repeat(66)}zz python`)).toEqual([]);
    });

    it('keeps the limit between 1 and 100, best first', async () => {
      expect(await search('planted', OWNER, 0)).toHaveLength(1);
      expect(await search('planted', OWNER, -5)).toHaveLength(1);
      expect(await search('planted', OWNER, 3)).toHaveLength(3);
      const all = await search('planted question', OWNER, 1000);
      expect(all.length).toBeGreaterThan(5);
      expect(await search('planted question', OWNER, null)).toEqual(all);
      const scores = all.map(({ score }) => score);
      expect(scores).toEqual([...scores].sort((a, b) => b - a));
      expect(Math.min(...scores)).toBeGreaterThanOrEqual(0.5);
      const [similar] = await search('explan');
      expect(similar!.score).toBeLessThan(0.5);
    });

    it('gives the caller no more than the caller’s own rights', async () => {
      const secrets = await Secrets.open(home);
      const as = async (role: string) => {
        const client = new pg.Client({
          connectionString: urlFor(platform.postgres, DATABASE, role, secrets.password(role)),
        });
        await client.connect();
        try {
          return (await client.query('select * from search_questions($1, $2)', ['planted', OWNER])).rowCount;
        } finally {
          await client.end();
        }
      };
      expect(await as('is_readonly')).toBe(await as('is_readwrite'));
      await query('revoke select on study_books from is_readonly');
      await expect(as('is_readonly')).rejects.toThrow(/permission denied for table study_books/);
      await query('grant select on study_books to is_readonly');
    });

    it('keeps up with changes, and stores texts of any length', async () => {
      const [book] = await query<{ id: string }>('select id from study_books where user_id = $1 limit 1', [
        OWNER,
      ]);
      const [{ id }] = (await query<{ id: string }>(
        `insert into questions (study_book_id, language, category, difficulty, question, answer)
         select $1, 'x', 'x', 'x', 'zebra', string_agg(md5(n::text), ' ') from generate_series(1, 100000) as n returning id`,
        [book!.id],
      )) as [{ id: string }];
      expect(await search('zebra')).toHaveLength(1);
      await query(`update questions set question = 'okapi' where id = $1`, [id]);
      expect(await search('zebra')).toEqual([]);
      expect(await search('okapi')).toHaveLength(1);
      await query('delete from questions where id = $1', [id]);
    });

    it('finds phrases beyond the positions that an index knows', async () => {
      const rows = await query<{ id: string }>(
        `insert into questions (study_book_id, language, category, difficulty, question, answer)
         select (select id from study_books where user_id = $1 limit 1), 'x', 'x', 'x', 'far', answer
         from (values (1, repeat('この ', 300) || 'の話'), (2, repeat('漢', 20000) || '終端'),
           (3, repeat('a-b ', 300) || 'foo-a-b-zork')) as texts (n, answer) order by n returning id`,
        [OWNER],
      );
      for (const [i, words] of ['の話', '終端', 'foo-a-b-zork', 'FOO-A-B-ZORK'].entries()) {
        const hit = (await search(words)).find(({ question_id }) => question_id === rows[Math.min(i, 2)]!.id);
        expect([words, hit?.score]).toEqual([words, expect.any(Number)]);
        expect(hit!.score).toBeGreaterThanOrEqual(0.5);
      }
      // All the letters, and not in a row.
      expect((await search('端終')).filter(({ score }) => score >= 0.5)).toEqual([]);
      await query(`delete from questions where question = 'far'`);
    });

    it('uses its indexes among 200,000 questions', async () => {
      const many = '00000000-0000-4000-8000-000000000001';
      await asAdmin(platform, DATABASE, async (client) => {
        await client.query(`
          drop index idx_questions_search_vector, idx_questions_search_words, idx_questions_trigram;
          insert into users (id, name, email)
            select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'many', 'many' || n || '@example.com'
            from generate_series(1, 1001) as n;
          insert into study_books (id, user_id, title)
            select ('00000000-0000-4000-9000-' || lpad(n::text, 12, '0'))::uuid,
              ('00000000-0000-4000-8000-' || lpad(greatest(1, n - 999)::text, 12, '0'))::uuid, 'many'
            from generate_series(1, 2000) as n;
          insert into questions (study_book_id, language, category, difficulty, question, answer)
            select ('00000000-0000-4000-9000-' || lpad((1 + n % 2000)::text, 12, '0'))::uuid, 'x', 'x', 'x',
              'about w' || n % 1999, '例' from generate_series(1, 200000) as n`);
      });
      expect(await run(platform, home, { system: NAME, steps: ['index'] })).toMatchObject({ ok: true });
      const planOf = (words: string, user: string) =>
        asAdmin(platform, DATABASE, async (client) => {
          const plans: string[] = [];
          client.on('notice', ({ message }) => plans.push(message ?? ''));
          await client.query(`load 'auto_explain'; set auto_explain.log_min_duration = 0;
            set auto_explain.log_nested_statements = on; set auto_explain.log_level = 'warning'`);
          const { rowCount } = await client.query('select * from search_questions($1, $2)', [words, user]);
          // The functions within log theirs, too.
          const of = (mark: RegExp) => plans.find((plan) => mark.test(plan)) ?? '';
          return { rowCount, exact: of(/limit wanted\n/), similar: of(/limit wanted - found/) };
        });
      // A hundred questions have the word.
      const large = await planOf('w777', many);
      expect(large.rowCount).toBe(50);
      expect(large.exact).toContain('BitmapOr');
      expect(large.exact).toContain('idx_questions_search_vector');
      expect(large.exact).toContain('idx_questions_search_words');
      expect(large.exact).not.toMatch(/Seq Scan on questions/);
      const fuzzy = await planOf('w1777x', many);
      expect(fuzzy.similar).toContain('idx_questions_trigram');
      expect(fuzzy.similar).not.toMatch(/Seq Scan on questions/);
      // With a hundred questions of one's own, those are read, and the words are of no help.
      const small = await planOf('w1900', '00000000-0000-4000-8000-000000000900');
      expect(small.rowCount).toBeGreaterThan(0);
      expect(small.exact).toContain('idx_questions_study_book_id');
    });
  });
});

describe('a server whose administrator is no superuser', () => {
  it('lets its own setting be, and says so', async () => {
    const platform = inject('platform');
    await dropSystems(platform);
    const admin = 'is_test_admin';
    const password = 'made for this test';
    try {
      await asAdmin(platform, 'postgres', (client) =>
        client.query(`create role ${admin} login createdb createrole password '${password}'`),
      );
      const postgres = urlFor(platform.postgres, 'postgres', admin, password);
      const steps = ['provision'];
      const report = await run({ ...platform, postgres }, await scratch(), { system: NAME, steps });
      expect(report.error).toBeUndefined();
      expect(report.remarks).toEqual([
        'track_io_timing = on was not set: only a superuser of the server may',
      ]);
      const settings = await asAdmin(platform, DATABASE, (client) =>
        client.query(`select current_setting('default_text_search_config') as config`),
      );
      expect(settings.rows).toEqual([{ config: 'pg_catalog.english' }]);
    } finally {
      await dropSystems(platform);
      await asAdmin(platform, 'postgres', async (client) => {
        await client.query(`drop owned by ${admin}`);
        await client.query(`drop role ${admin}`);
      });
    }
  });
});

const REAL = resolve('../shared/legacy-data');
const isThere = existsSync(join(REAL, NAME));
if (!isThere)
  console.warn(
    `SKIPPED: ${join(REAL, NAME)} is not there, so the legacy application's own file is not loaded`,
  );

describe.runIf(isThere)('a file that the legacy application wrote', () => {
  it('is loaded, proved and exported', async () => {
    const platform = inject('platform');
    const home = await scratch();
    await dropSystems(platform);
    const report = await run(platform, home, { system: NAME, source: REAL });
    expect(report.error).toBeUndefined();
    const rows = Object.values(report.tables).map(({ inserted }) => inserted);
    expect(rows).toEqual([5, 15, 50, 50, 90]);
    expect(report.remarks.join()).not.toContain('unknown');
    const { code } = await cutover(
      platform,
      home,
      ...['export', '--system', NAME, '--out', join(await scratch(), 'out')],
    );
    expect(code).toBe(0);
  });
});
