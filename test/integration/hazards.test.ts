import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import type { Hazard, SampleManifest } from '../../jobs/sample/index.ts';
import { asAdmin, dropSystems, LEGACY, run, scratch, systemNamed } from './harness.ts';

/** Path, and what the source had. */
type Noted = readonly [path: string, was: string];

/** What must have become of a record; written by hand from docs/hazards.md and the sample's own words. */
interface Expected {
  /** Columns of its row, as JSON. */
  readonly row?: Readonly<Record<string, unknown>>;
  /** All of `extra` but the notes. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** All notes of its row, each under the hazard's id. */
  readonly notes?: readonly Noted[];
  /** Of a merged record: the locator of the one that stayed, the rule, and whether both say the same. */
  readonly merged?: readonly [winner: string, identical: boolean];
  /** Of a quarantined one: the field of the reason, and what its payload has. */
  readonly field?: string;
  readonly payload?: RegExp;
}

const BTC = { symbol: 'BTC/USDT:USDT', timeframe: '1h' };
const ETH = { symbol: 'ETH/USDT:USDT', timeframe: '1h' };
const june = (time: string) => `2025-06-${time}:00:00+00:00`;

/** By entity and locator of the manifest, and the hazard's id where a record shows two. */
const TRDINGER: Readonly<Record<string, Expected>> = {
  'ohlcv_data 161': { row: { ...BTC, timestamp: june('02T23') } },
  // The series begins with id 141 at midnight of the second.
  'ohlcv_data 164': { merged: ['142', true] },
  'ohlcv_data 165': { merged: ['143', false] },
  'ohlcv_data 166': { merged: ['167', false] },
  'ohlcv_data 168': { row: { ...BTC, source_symbol: 'BTCUSDT', timestamp: june('05T00') } },
  'ohlcv_data 169': { row: { ...BTC, source_symbol: 'BTC-USDT', timestamp: june('05T01') } },
  'ohlcv_data 170': { row: { ...BTC, source_symbol: 'BTCUSDT_PERP', timestamp: june('05T02') } },
  'ohlcv_data 171': { row: { ...BTC, source_symbol: 'BTC/USDT', timestamp: june('05T03') } },
  'ohlcv_data 172': { merged: ['171', false] },
  'ohlcv_data 173': { row: { ...ETH, source_symbol: 'ETHUSDT', timestamp: june('05T00') } },
  'ohlcv_data 174': { row: { ...ETH, source_symbol: 'ETH-USDT', timestamp: june('05T01') } },
  'ohlcv_data 175': { row: { ...ETH, source_symbol: 'ETHUSDT_PERP', timestamp: june('05T02') } },
  'ohlcv_data 176': { row: { ...ETH, source_symbol: 'ETH/USDT', timestamp: june('05T03') } },
  'ohlcv_data 177': { row: { ...BTC, source_symbol: BTC.symbol, timestamp: june('06T00') } },
  'ohlcv_data 178': { merged: ['177', false] },
  'ohlcv_data 179': {
    row: { ...BTC, timestamp: '2025-06-06T01:00:00.123456+00:00' },
    notes: [['timestamp', '2025-06-06 01:00:00.123456']],
  },
  'ohlcv_data 180': { field: 'timestamp', payload: /"timestamp":"2025-06-12 11:00:00\.000000"/ },
  'ohlcv_data 181': {
    field: 'timestamp',
    payload: /"timeframe":"1d","timestamp":"2025-06-06 09:00:00\.000000"/,
  },
  'ohlcv_data 182': {
    field: 'timestamp',
    payload: /"timeframe":"4h","timestamp":"2025-06-06 01:00:00\.000000"/,
  },
  'ohlcv_data 192': { field: 'timestamp', payload: /"timestamp":"2025-06-09 09:00:00\.000000"/ },
  'ohlcv_data 193': { field: 'timestamp', payload: /"timestamp":"2025-06-09 10:00:00\.000000"/ },
  'ohlcv_data 195': { row: { ...BTC, volume: 'Infinity' }, notes: [['volume', 'Infinity']] },
  'ohlcv_data 196': { row: { ...BTC, volume: 5e-324 } },
  'ohlcv_data 197': { row: { ...BTC, volume: 0 } },
  'ohlcv_data 199': { merged: ['198', false] },
  'ohlcv_data 200': { row: { ...ETH, timeframe: '1d', source_timeframe: '1D', timestamp: june('08T00') } },
  'ohlcv_data 201': {
    row: { ...BTC, timestamp: june('12T03'), created_at: '2025-06-12T03:05:00+00:00' },
  },
  'funding_rate_data 26': { merged: ['25', true] },
  'funding_rate_data 28': { merged: ['27', false] },
  'funding_rate_data 29': {
    row: {
      symbol: ETH.symbol,
      source_symbol: 'ETH/USDT',
      funding_timestamp: june('02T08'),
      funding_rate: 0.00007,
    },
  },
  'funding_rate_data 30': { row: { funding_timestamp: june('03T00'), funding_rate: 0.00001 } },
  'funding_rate_data 31': { row: { funding_timestamp: june('03T08'), funding_rate: 0.0000000125 } },
  'funding_rate_data 32': { row: { funding_timestamp: june('03T16'), funding_rate: 0 } },
  'funding_rate_data 33': {
    row: { funding_timestamp: june('04T00'), funding_rate: 0.0001, index_price: null },
  },
  'funding_rate_data 34': { field: 'timestamp', payload: /"timestamp":"yesterday"/ },
  'open_interest_data 32': { merged: ['31', true] },
  'open_interest_data 34': { merged: ['33', false] },
  'open_interest_data 35': {
    row: { symbol: ETH.symbol, source_symbol: 'ETHUSDT', data_timestamp: june('02T01') },
  },
  'open_interest_data 36': { row: { data_timestamp: june('03T00'), unit_guess: 'quote' } },
  'open_interest_data 37': { row: { data_timestamp: june('03T01'), unit_guess: 'contracts' } },
  'open_interest_data 38': { field: 'open_interest_value', payload: /"open_interest_value":"n\/a"/ },
  'data_collection_log 13': {
    row: {
      error_message: '取得に失敗しました。再試行しています。'.repeat(43).slice(0, 800),
      symbol: BTC.symbol,
    },
  },
  'data_collection_log 14': {
    field: 'error_message',
    payload: /"応答が途中で切れました: \\u0000\\u0000 \(2 bytes\)"/,
  },
  'backtest_results 7': {
    row: {
      performance_metrics: {
        total_return: 0,
        sharpe_ratio: null,
        max_drawdown: 0,
        win_rate: null,
        total_trades: 0,
        equity_final: 100_000,
        sortino_ratio: null,
        calmar_ratio: null,
      },
      trade_history: [],
    },
    notes: [
      ['performance_metrics.sharpe_ratio', 'NaN'],
      ['performance_metrics.win_rate', 'NaN'],
      ['performance_metrics.sortino_ratio', 'NaN'],
      ['performance_metrics.calmar_ratio', 'NaN'],
    ],
  },
  'backtest_results 8': {
    row: {
      performance_metrics: {
        total_return: 3.5,
        sharpe_ratio: null,
        max_drawdown: -0.25,
        total_trades: 1,
        win_rate: 100,
        profit_factor: null,
      },
    },
    notes: [
      ['performance_metrics.sharpe_ratio', '-Infinity'],
      ['performance_metrics.profit_factor', 'Infinity'],
    ],
  },
  'backtest_results 9': { row: { performance_metrics: expect.objectContaining({ max_drawdown: 0 }) } },
  'backtest_results 10': {
    row: { strategy_name: '移動平均クロスと出来高の組み合わせ'.repeat(9).slice(0, 150) },
  },
  'backtest_results 11': { field: 'config_json', payload: /before\\\\u0000after/ },
  'ga_experiments 6': {
    row: { name: '自動戦略テスト', status: 'completed', progress: 1, best_fitness: 0.61 },
  },
  'ga_experiments 7': {
    row: { name: '自動戦略テスト', status: 'starting', progress: 0, best_fitness: null },
  },
  'ga_experiments 8': { row: { best_fitness: '-Infinity' }, notes: [['best_fitness', '-Infinity']] },
  'generated_strategies 11': { row: { experiment_id: 1, generation: 30, parents_are: 'the JSON text null' } },
  'generated_strategies 12': { row: { experiment_id: 1, generation: 30, parents_are: 'NULL' } },
  'generated_strategies 13': { field: 'experiment_id', payload: /"experiment_id":999,/ },
  'generated_strategies 14': {
    row: { experiment_id: 1, backtest_result_id: null, parents_are: '[1, 2]' },
    notes: [['backtest_result_id', '777']],
  },
  'strategy_showcase 11': {
    row: { name: '消えたバックテスト', backtest_result_id: null },
    notes: [['backtest_result_id', '777']],
  },
  // 途中で切れた文字: and the first two bytes of 戈
  'strategy_showcase 12': { field: 'description', payload: /"description":\{"\$hex":"e9[0-9a-f]+e688"\}/ },
};

const LIGHTNING_TALK: Readonly<Record<string, Expected>> = {
  'events 6': {
    row: { legacy_id: 'event-201', venue_name: '例示会館 1階' },
    extra: {
      _comment: '時刻は日本時間で書くこと',
      eventStartTime: '2025-08-20T20:00:00+09:00',
      equipment: { projector: true, microphones: 2 },
    },
  },
  'events 7': { row: { legacy_id: 'event-202', capacity: 1, registered: 2 } },
  'events 8': { row: { legacy_id: 'event-203' }, extra: { emergencyContact: '000-0000-0000' } },
  'events 9': { row: { date: '2025-09-01T00:00:00+00:00', end_date: null }, notes: [['date', '2025-09-01']] },
  'events 10': {
    row: { date: '2025-09-01T10:00:00+00:00', end_date: null },
    notes: [['date', '2025-09-01T19:00:00']],
  },
  'events 11': {
    row: { date: '2025-08-25T10:00:00+00:00', end_date: '2025-08-19T10:00:00+00:00' },
    notes: [['endDate', '2025-08-19T19:00:00+09:00']],
  },
  'events 12': {
    row: { date: '2025-08-20T10:00:00+00:00', end_date: '2025-08-20T10:00:00+00:00' },
    notes: [['endDate', '2025-08-20T19:00:00+09:00']],
  },
  'events 13': { row: { title: '🎤 𠮷田さんと語る“夏の夜”\n第二部' } },
  'events 14': { row: { status: 'postponed' }, notes: [['status', 'postponed']] },
  'events 15': { row: { created_at: '2025-04-02T00:00:00+00:00', updated_at: '2025-07-01T00:09:00+00:00' } },

  'participants 25': { merged: ['24', true] },
  'participants 26': { field: 'id', payload: /^\{\s*"name": "参加者 3"/ },
  'participants 27': { merged: ['28', false] },
  'participants 28': {
    row: {
      legacy_id: '1751328000000-speaker01',
      email: 'hanako.aoba@example.com',
      created_at: '2025-07-01T00:30:00+00:00',
      is_speaker: true,
    },
  },
  'participants 29': { merged: ['30', false] },
  'participants 30': {
    row: { email: 'ren.kazama@example.com', status: 'pending', created_at: '2025-07-01T00:40:00+00:00' },
  },
  'participants 31': { merged: ['30', false] },
  'participants 32': { row: { email: 'hanakoaoba@example.com', email_key: 'hanakoaoba@example.com' } },
  'participants 33': { field: 'eventId', payload: /"eventId": "event-999"/ },
  'participants 34': { row: { newsletter: true }, notes: [['newsletter', '"true"']] },
  'participants 35': { row: { newsletter: true }, notes: [['newsletter', '"1"']] },
  'participants 36': { row: { newsletter: true }, notes: [['newsletter', '1']] },
  'participants 37': { row: { newsletter: false, checked_in: false }, notes: [['checkedIn', '"false"']] },
  'participants 38': { field: 'newsletter', payload: /"newsletter": "maybe"/ },
  'participants 39': { row: { message: null }, extra: {} },
  'participants 40': { row: { message: null }, extra: { $null: ['message'] } },
  'participants 41': { row: { message: '' }, extra: {} },
  'participants 42': { row: { status: 'confirmed' }, extra: { tshirtSize: 'M', allergies: ['そば'] } },
  'participants 43': { row: { ip_address: '::ffff:172.29.0.1' } },
  'participants 44': { row: { ip_address: '::1' } },
  'participants 45': { row: { ip_address: '203.0.113.7, 10.0.0.1' } },
  'participants 46': { row: { ip_address: null }, extra: {} },
  'participants 47': { row: { name: '𠮷野 さくら🌸' } },
  'participants 48': { row: { name: '“たけ”こと O’Brien 武\n(代理)' } },
  'participants 49': { row: { event: 'event-202' } },
  'participants 50': { row: { event: 'event-202' } },
  'participants 51': { field: '$.message', payload: /"message": "最初の値".*"message": "後の値"/s },
  'participants 52': { field: '$.message', payload: /文字化け\\u0000しました/ },

  'talks 16': { field: 'id', payload: /同じ番号の別の発表/ },
  'talks 17': { field: 'id', payload: /"id": null/ },
  'talks 18 L4': { field: 'eventId', payload: /"eventId": "event-999"/ },
  'talks 18 L23': { field: 'eventId', payload: /^(?!.*password).*"title": "五分で語る本棚/s },
  'talks 19': { row: { participant_id: null, legacy_speaker_id: null, speaker_name: '匿名希望' } },
  'talks 20': {
    row: { participant_id: null, legacy_speaker_id: '1751000000000-nosuchone' },
    notes: [['speakerId', '1751000000000-nosuchone']],
  },
  'talks 21': {
    row: { participant_id: null, legacy_speaker_id: null, speaker_email: 'hanako.aoba@example.com' },
    notes: [['speakerId', 'participant 1751328000000-speaker01 has the same address']],
  },
  'talks 22': { row: { slides_url: 'https://slides.example.com/1' }, extra: { needs: { audio: true } } },
  'talks 23': {
    row: {
      legacy_id: 'talk_1751500000000_voted0001',
      average_rating: 4.33,
      total_votes: 3,
      last_voting_results: expect.objectContaining({ averageRating: '4.33' }),
    },
    notes: [['averageRating', '4.33']],
  },
  'talks 24': { row: { submission_source: 'api' }, extra: {} },
  'talks 25': { field: '$.title', payload: /絵文字が切れた\\ud83d"/ },
  'talks 26': {
    row: {
      average_rating: 0,
      last_voting_results: expect.objectContaining({ averageRating: null, totalVotes: 0 }),
    },
    notes: [['lastVotingResults.averageRating', 'NaN']],
  },

  'settings 1': { field: '$', payload: /"siteName": "旧サイト名"/ },

  'analytics 33': {
    row: {
      event_id: null,
      legacy_event_id: 'event-999',
      event_type: 'event_deleted',
      event_data: { title: '消した催し' },
    },
    notes: [['eventId', 'event-999']],
  },
  'analytics 34': {
    row: { event_id: null, legacy_event_id: 'event-999', event_type: 'participant_registered' },
    notes: [['eventId', 'event-999']],
  },
  'analytics 35': { row: { server_date: '2025-06-30', occurred_at: '2025-06-29T15:16:56.399+00:00' } },
  'analytics 36': {
    row: { server_date: '2025-07-02', occurred_at: '2025-07-02T15:30:00+00:00' },
    notes: [['date', 'Wed Jul 02 2025']],
  },

  'presentations 8': {
    row: { duration: 7, views: 12, featured: true },
    notes: [
      ['duration', '7'],
      ['views', '12'],
      ['featured', '"true"'],
    ],
  },
  'presentations 9': { field: 'duration', payload: /"duration": "five"/ },
  'presentations 10': { row: { title: '“𠮷”という字の話 ✍️' } },

  'presentation_interactions 12': { row: { ip_address: '203.0.113.7, 10.0.0.1' } },
  'presentation_interactions 13': { row: { ip_address: '::ffff:172.30.0.1' } },

  'users 3': { row: { email: 'account1@lt.example.com', role: 'organizer' }, extra: {} },
  'users 4': {
    row: { email: 'account2@lt.example.com', cognito_id: 'example-pool:0001', provider: 'google' },
    extra: {},
  },

  'voting_sessions 4': {
    row: { average_rating: 4.33, results: expect.objectContaining({ averageRating: '4.33', totalVotes: 3 }) },
    notes: [['averageRating', '4.33']],
  },
  'voting_sessions 5': {
    row: { average_rating: 0, results: expect.objectContaining({ averageRating: 0, totalVotes: 0 }) },
  },
};

const EXPECTED: Readonly<Record<string, Readonly<Record<string, Expected>>>> = {
  trdinger: TRDINGER,
  'lightning-talk': LIGHTNING_TALK,
};

/** What the tables say beside their columns. */
const MORE: Readonly<Record<string, string>> = {
  generated_strategies: `case when parent_ids is null then 'NULL' when parent_ids = 'null' then 'the JSON text null'
    else parent_ids::text end as parents_are`,
  events: '(select count(*) from participants where event_id = t.id) as registered',
  participants: '(select legacy_id from events where id = t.event_id) as event',
};

const manifest = JSON.parse(readFileSync(join(LEGACY, 'sample.json'), 'utf8')) as SampleManifest;
/** Of the systems that are looked at here; the others have tests of their own. */
const hazards = manifest.hazards.filter(({ system }) => system in EXPECTED);
const recordsOf = (entity: string): { id?: string | null }[] =>
  JSON.parse(
    // The sample has one token that JSON has not.
    readFileSync(join(LEGACY, 'lightning-talk/server/data', `${entity}.json`), 'utf8').replace(
      ': NaN',
      ': null',
    ),
  );

const expectedOf = ({ system, entity, locator, id }: Hazard) =>
  EXPECTED[system]![`${entity} ${locator}`] ?? EXPECTED[system]![`${entity} ${locator} ${id}`];

/** A place as the ledger names it. */
const ledgerLocator = (system: string, entity: string, locator: string) =>
  system === 'trdinger' ? `${entity} rowid ${locator}` : `${entity}.json[${locator}]`;

describe('what became of each hazard', () => {
  const platform = inject('platform');
  let home: string;
  beforeAll(async () => {
    home = await scratch();
    await dropSystems(platform);
    for (const system of ['trdinger', 'lightning-talk']) {
      expect(await run(platform, home, { system, budget: 11 })).toMatchObject({ ok: true });
    }
  });

  const query = <T extends pg.QueryResultRow>(system: string, sql: string, values: unknown[] = []) =>
    asAdmin(
      platform,
      systemNamed(system).database,
      async (client) => (await client.query<T>(sql, values)).rows,
    );

  /** The row of a record, found by its legacy id. */
  async function rowOf(
    system: string,
    entity: string,
    locator: string,
  ): Promise<Record<string, unknown> | undefined> {
    const mapping = systemNamed(system).tables.find((each) => each.table === entity)!;
    const column = mapping.fields.some((field) => field.column === 'legacy_id') ? 'legacy_id' : 'id';
    const id = system === 'trdinger' ? locator : recordsOf(entity)[Number(locator)]!.id;
    const more = MORE[entity] ? `, ${MORE[entity]}` : '';
    const rows = await query<{ row: Record<string, unknown> }>(
      system,
      `select to_jsonb(x) as row from (select t.*${more} from public.${pg.escapeIdentifier(entity)} as t where t.${column} = $1) as x`,
      [id],
    );
    expect(rows.length).toBeLessThan(2);
    return rows[0]?.row;
  }

  it('there is an expectation for each record of the manifest, and for no other', () => {
    const known = hazards.filter(({ entity }) => entity !== 'file').map((hazard) => expectedOf(hazard));
    expect(known).not.toContain(undefined);
    const all = [...Object.values(TRDINGER), ...Object.values(LIGHTNING_TALK)];
    expect(new Set(known).size).toBe(all.length);
  });

  const of = (which: (hazard: Hazard) => boolean) =>
    hazards
      .filter((hazard) => hazard.entity !== 'file' && which(hazard))
      .map((hazard) => [`${hazard.id} ${hazard.entity} ${hazard.locator}: ${hazard.what}`, hazard] as const);

  it.each(of(({ outcome }) => outcome === 'kept' || outcome === 'noted'))('%s', async (_name, hazard) => {
    const { row: columns = {}, extra, notes = [] } = expectedOf(hazard)!;
    const row = await rowOf(hazard.system, hazard.entity, hazard.locator);
    expect(row).toMatchObject(columns);
    const { $notes = [], ...rest } = (row!.extra ?? {}) as {
      $notes?: { rule: string; path: string; was: string }[];
    };
    expect($notes).toEqual(notes.map(([path, was]) => ({ rule: hazard.id, path, was })));
    if (hazard.outcome === 'noted') expect($notes.length).toBeGreaterThan(0);
    if (extra) expect(rest).toEqual(extra);
  });

  it.each(of(({ outcome }) => outcome === 'merged'))('%s: merged', async (_name, hazard) => {
    const { system, entity, locator } = hazard;
    const [winner, identical] = expectedOf(hazard)!.merged!;
    const found = await query(
      system,
      'select winner, rule, identical, payload <> $3 as kept from migration.merged where table_name = $1 and locator = $2',
      [entity, ledgerLocator(system, entity, locator), ''],
    );
    expect(found).toEqual([
      { winner: ledgerLocator(system, entity, winner), rule: hazard.id, identical, kept: true },
    ]);
    expect(await rowOf(system, entity, winner)).toBeDefined();
    // An identical copy has the id of the one that stayed.
    if (hazard.id !== 'L1') expect(await rowOf(system, entity, locator)).toBeUndefined();
  });

  it.each(of(({ outcome }) => !['kept', 'noted', 'merged'].includes(outcome)))(
    '%s: quarantined',
    async (_name, hazard) => {
      const { system, entity, locator, outcome } = hazard;
      const { field, payload } = expectedOf(hazard)!;
      const found = await query<{ code: string; field: string; payload: string }>(
        system,
        'select code, field, payload from migration.quarantine where table_name = $1 and (locator = $2 or locator like $3)',
        [
          entity,
          ledgerLocator(system, entity, locator),
          // A second settings object is named by its place in the file.
          entity === 'settings' ? 'settings.json at byte %' : '',
        ],
      );
      expect(found).toEqual([{ code: outcome, field, payload: expect.stringMatching(payload!) }]);
      if (system === 'trdinger') expect(await rowOf(system, entity, locator)).toBeUndefined();
      else if (
        entity !== 'settings' &&
        recordsOf(entity)[Number(locator)]!.id &&
        outcome !== 'DUPLICATE_ID'
      ) {
        expect(await rowOf(system, entity, locator)).toBeUndefined();
      }
    },
  );

  it('H1, L1: the values of the record that stayed are the ones that are stored', async () => {
    // The alias had twice the volume.
    const [{ twice }] = (await query<{ twice: boolean }>(
      'trdinger',
      `select (payload::jsonb ->> 'volume')::float8 = 2 * volume as twice
       from migration.merged, ohlcv_data where locator = 'ohlcv_data rowid 165' and legacy_id = 143`,
    )) as [{ twice: boolean }];
    expect(twice).toBe(true);
    const [talk] = await query('lightning-talk', `select title from talks where legacy_id = $1`, [
      recordsOf('talks')[16]!.id,
    ]);
    expect(talk).toEqual({ title: '五分で語る本棚 その1' });
  });

  it('H11: nothing is filled into a gap', async () => {
    expect(
      await query(
        'trdinger',
        `select count(*)::int as n from ohlcv_data where symbol = 'BTC/USDT:USDT' and timeframe = '1h'
           and timestamp > '2025-06-02 19:00Z' and timestamp < '2025-06-02 23:00Z'`,
      ),
    ).toEqual([{ n: 0 }]);
  });

  it('H15: the manifest of the snapshot says which file it was', () => {
    const base = join(home, 'snapshots/trdinger');
    const digest = readFileSync(join(base, 'current'), 'utf8').trim();
    const { files } = JSON.parse(readFileSync(join(base, digest, 'manifest.json'), 'utf8'));
    const sha256 = createHash('sha256')
      .update(readFileSync(join(LEGACY, 'trdinger/trdinger.db')))
      .digest('hex');
    expect(files).toEqual([{ path: 'trdinger.db', size: expect.any(Number), sha256 }]);
  });

  it('L3, L5: talks of a speaker whose registration gave way are the registered one’s', async () => {
    const [talk] = await query(
      'lightning-talk',
      `select p.legacy_id from talks t join participants p on p.id = t.participant_id where t.legacy_id = $1`,
      ['talk_1751500000000_voted0001'],
    );
    expect(talk).toEqual({ legacy_id: '1751328000000-speaker01' });
  });

  it('L15: the first settings object is the settings', async () => {
    const settings = await query<{ key: string }>('lightning-talk', 'select key, value from settings');
    expect(settings).toContainEqual({ key: 'siteName', value: 'よりみちライトニングトーク' });
    expect(settings.map(({ key }) => key)).toContain('registrationSettings');
  });
});
