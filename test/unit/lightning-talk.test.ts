import { describe, expect, it } from 'vitest';
import { batches } from '../../jobs/engine/batches.ts';
import { Parents } from '../../jobs/engine/parents.ts';
import { keyOf } from '../../jobs/engine/uuid.ts';
import { parseJson } from '../../jobs/sources/json-parse.ts';
import { JsonNumber, JsonObject, type JsonValue } from '../../jobs/sources/json-value.ts';
import type { Raw } from '../../jobs/sources/source.ts';
import { lightningTalk } from '../../jobs/systems/lightning-talk/index.ts';
import { emailKey } from '../../jobs/systems/lightning-talk/rules.ts';
import { outcome, readerOf, record, scopeOf } from '../records.ts';

const tableNamed = (name: string) => lightningTalk.tables.find(({ table }) => table === name)!;
const fieldOf = (table: string, column: string) =>
  tableNamed(table).fields.find((field) => field.column === column)!;
const json = (text: string) => parseJson(Buffer.from(text)).value;
const number = (text: string) => new JsonNumber(text);
/** Microseconds since 2000 of an ISO text with a zone. */
const micros = (iso: string) => (Date.parse(iso) - Date.UTC(2000, 0, 1)) * 1000;

describe('an address (L3)', () => {
  it.each([
    ['Hanako.Aoba@Example.COM', 'hanako.aoba@example.com'],
    [' ren@example.com\n', 'ren@example.com'],
    ['hanako.aoba@example.com', 'hanako.aoba@example.com'], // a dot means something here
    ['ren+talk@example.com', 'ren+talk@example.com'],
    ['Ren.Kazama+lt@GMail.com', 'renkazama@gmail.com'],
    ['ren.kazama@googlemail.com', 'renkazama@gmail.com'],
    ['r.e.n@mail.gmail.com', 'r.e.n@mail.gmail.com'],
    ['a@b@gmail.com', 'a@b@gmail.com'],
    ['ren+a+b@gmail.com', 'ren@gmail.com'],
    ['no address', 'no address'],
    ['', ''],
  ])('%j means %j', (email, key) => {
    expect(emailKey(email)).toBe(key);
  });

  it('is needed', () => {
    const field = fieldOf('participants', 'email_key');
    expect([null, undefined, number('5'), 'a\0b'].map((raw) => outcome(field, raw))).toEqual([
      'NULL_VALUE',
      'NULL_VALUE',
      'WRONG_TYPE',
      'NUL_CHARACTER',
    ]);
  });
});

describe('registrations', () => {
  const parents = () => {
    const all = new Parents();
    for (const id of ['e1', 'e2']) all.add('events', id, keyOf('lightning-talk', 'events', id));
    return all;
  };

  interface Registration {
    readonly id?: string | null;
    readonly email?: string;
    readonly status?: string;
    readonly createdAt?: string | null;
    readonly message?: string;
    readonly eventId?: string;
  }

  /** What becomes of registrations, numbered from 0; all must have one key, or be in its order. */
  async function load(...all: readonly Registration[]) {
    const records = all.map(({ id, createdAt, ...changes }, i) =>
      record(
        {
          id: id === undefined ? `p${i}` : id,
          name: 'a',
          email: 'a@example.com',
          eventId: 'e1',
          createdAt: createdAt === undefined ? '2025-07-01T00:00:00.000Z' : createdAt,
          ...changes,
        },
        `participants.json[${i}]`,
      ),
    );
    const known = parents();
    const index = (locator: string) => Number(locator.match(/\d+/)![0]);
    for await (const batch of batches(tableNamed('participants'), readerOf(records), known, { rows: 100 })) {
      return {
        stored: batch.starts.map((_, i) => index(batch.locator(i))),
        merged: batch.merged.map(({ locator, winner, rule, identical }) => [
          index(locator),
          index(winner),
          rule,
          identical,
        ]),
        rejected: batch.rejected.map(({ locator, code }) => [index(locator), code]),
        keys: all.map((_, i) => known.find('participants', `p${i}`)),
        byAddress: known.find(
          'participants by address',
          `${keyOf('lightning-talk', 'events', 'e1').toString('hex')} a@example.com`,
        ),
      };
    }
    return expect.fail('no batch');
  }

  const early = { createdAt: '2025-07-01T00:00:00.000Z' };
  const late = { createdAt: '2025-07-02T00:00:00.000Z' };

  it('the earlier one counts, wherever it stands in the array', async () => {
    expect(await load(early, late)).toMatchObject({
      stored: [0],
      merged: [[1, 0, 'L3', false]],
      rejected: [],
    });
    expect(await load(late, early)).toMatchObject({
      stored: [1],
      merged: [[0, 1, 'L3', false]],
      rejected: [],
    });
    expect((await load({ ...late, email: 'A@Example.com' }, early)).stored).toEqual([1]);
  });

  it('instants are compared, not texts', async () => {
    expect(
      (await load({ createdAt: '2025-07-02T00:30:00+09:00' }, { createdAt: '2025-07-01T16:00:00.000Z' }))
        .stored,
    ).toEqual([0]);
  });

  it('one that is cancelled gives way, unless all are', async () => {
    const cancelled = { status: 'cancelled' };
    expect((await load({ ...early, ...cancelled }, late)).stored).toEqual([1]);
    expect((await load({ ...late, ...cancelled }, { ...early, ...cancelled })).stored).toEqual([1]);
    expect(
      (
        await load(
          { ...early, ...cancelled },
          { ...late, status: 'pending' },
          { ...late, createdAt: '2025-07-03T00:00:00Z' },
        )
      ).stored,
    ).toEqual([1]);
  });

  it('without a time the one that has one counts, else the first', async () => {
    const timeless = { createdAt: null };
    expect((await load(timeless, late)).stored).toEqual([1]);
    expect((await load(timeless, timeless)).stored).toEqual([0]);
  });

  it('talks that name any of them find the one that counts, by id and by address', async () => {
    const { keys, byAddress } = await load(
      { ...late, id: 'p0' },
      { ...early, id: 'p1' },
      { createdAt: '2025-07-03T00:00:00Z', id: 'p2' },
    );
    const counts = keyOf('lightning-talk', 'participants', 'p1');
    expect(keys).toEqual([counts, counts, counts]);
    expect(byAddress).toBe('p1');
  });

  it('one id twice is another matter (L1): an equal record is merged, a differing one quarantined', async () => {
    const same = { id: 'p0' };
    expect(await load(same, same)).toMatchObject({ stored: [0], merged: [[1, 0, 'L1', true]], rejected: [] });
    expect(await load(same, { ...same, message: 'other' })).toMatchObject({
      stored: [0],
      merged: [],
      rejected: [[1, 'DUPLICATE_ID']],
    });
  });

  it('without an id, or for no event, are set aside (L2, L4)', async () => {
    expect((await load({ id: null })).rejected).toEqual([[0, 'MISSING_ID']]);
    expect((await load({ id: '' })).rejected).toEqual([[0, 'MISSING_ID']]);
    expect((await load({ eventId: 'e9' })).rejected).toEqual([[0, 'ORPHAN_EVENT']]);
  });
});

describe('ids', () => {
  it.each([
    'events',
    'participants',
    'talks',
    'analytics',
    'presentations',
    'presentation_interactions',
    'users',
    'voting_sessions',
  ])('of %s: the key is made of the legacy id, which is kept', (table) => {
    expect(outcome(fieldOf(table, 'id'), 'x-1')).toEqual(keyOf('lightning-talk', table, 'x-1'));
    expect(outcome(fieldOf(table, 'legacy_id'), 'x-1')).toBe('x-1');
    for (const raw of [null, undefined, '']) expect(outcome(fieldOf(table, 'id'), raw)).toBe('MISSING_ID');
  });

  it('a number is kept as it was written', () => {
    expect(outcome(fieldOf('talks', 'legacy_id'), number('17'))).toBe('17');
    expect(outcome(fieldOf('talks', 'legacy_id'), true)).toBe('WRONG_TYPE');
  });
});

describe('times (L9, L10)', () => {
  const end = (date: Raw, endDate: Raw) => {
    const scope = scopeOf({ date });
    return [outcome(fieldOf('events', 'end_date'), endDate, scope), scope.notes.map(({ rule }) => rule)];
  };

  it('an end after the start needs no note', () => {
    expect(end('2025-07-30T19:00:00+09:00', '2025-07-30T21:00:00+09:00')).toEqual([
      micros('2025-07-30T12:00:00Z'),
      [],
    ]);
    expect(end('2025-07-30T19:00:00+09:00', undefined)).toEqual([null, []]);
  });

  it('one that is not after it is kept and noted, whatever the zones', () => {
    expect(end('2025-07-30T19:00:00+09:00', '2025-07-30T10:00:00Z')).toEqual([
      micros('2025-07-30T10:00:00Z'),
      ['L10'],
    ]);
    expect(end('2025-07-30T19:00:00+09:00', '2025-07-29')[1]).toEqual(['L9', 'L10']);
  });

  it('a start that cannot be read is a matter of its own field', () => {
    expect(end('someday', '2025-07-30T10:00:00Z')[1]).toEqual([]);
    expect(outcome(fieldOf('events', 'date'), 'someday')).toBe('BAD_TIMESTAMP');
  });

  it('without a zone are the server’s, which stood in Japan', () => {
    const scope = scopeOf();
    expect(outcome(fieldOf('events', 'date'), '2025-09-01T19:00:00', scope)).toBe(
      micros('2025-09-01T10:00:00Z'),
    );
    expect(outcome(fieldOf('events', 'date'), '2025-09-01', scope)).toBe(micros('2025-09-01T00:00:00Z'));
    expect(scope.notes.map(({ rule }) => rule)).toEqual(['L9', 'L9']);
  });
});

describe('the day of an entry (L17)', () => {
  const day = (date: Raw, timestamp: Raw) => {
    const scope = scopeOf({ timestamp });
    return [
      outcome(fieldOf('analytics', 'server_date'), date, scope),
      scope.notes.map(({ rule, was }) => [rule, was]),
    ];
  };

  it('is that of its timestamp in Tokyo', () => {
    // 00:16 of the 30th in Tokyo; 9312 days after 2000-01-01.
    expect(day('Mon Jun 30 2025', '2025-06-29T15:16:56.399Z')).toEqual([9312, []]);
  });

  it('is kept and noted when the timestamp says another', () => {
    expect(day('Sun Jun 29 2025', '2025-06-29T15:16:56.399Z')).toEqual([9311, [['L17', 'Sun Jun 29 2025']]]);
  });

  it('may be missing', () => {
    expect([day(null, '2025-06-29T15:16:56.399Z')[0], day(undefined, undefined)[0]]).toEqual([null, null]);
  });

  it.each([
    '2025-06-30',
    'Mon Jun 31 2025',
    'Mon Foo 30 2025',
    'Mon Jun 30 2025 00:16:56 GMT+0900',
    'Invalid Date',
    '',
  ])('is not %j', (date) => {
    expect(day(date, '2025-06-29T15:16:56.399Z')[0]).toBe('BAD_DATE');
  });
});

describe('an average rating (L13)', () => {
  const rating = (raw: Raw) => {
    const scope = scopeOf();
    return [
      outcome(fieldOf('talks', 'average_rating'), raw, scope),
      scope.notes.map(({ rule, was }) => [rule, was]),
    ];
  };

  it('is a number, from a text too, which is noted', () => {
    expect(rating(number('0'))).toEqual([0, []]);
    expect(rating(number('4.5'))).toEqual([4.5, []]);
    expect(rating('4.33')).toEqual([4.33, [['L13', '4.33']]]);
    expect(rating('5')).toEqual([5, [['L13', '5']]]);
  });

  it('is null when it is NaN, which is noted (L27)', () => {
    expect(rating(number('NaN'))).toEqual([null, [['L27', 'NaN']]]);
  });

  it.each(['', 'good', ' 4', '4,3', '-1', '1e3', 'NaN', true, ['4'], new JsonObject()])(
    'is not %j',
    (raw) => {
      expect(rating(raw as JsonValue)[0]).toBe('BAD_NUMBER');
    },
  );

  it('of voting sessions is a member of their results', () => {
    const field = fieldOf('voting_sessions', 'average_rating');
    expect(outcome(field, json('{"averageRating": "4.33"}'))).toBe(4.33);
    expect(outcome(field, json('{}'))).toBeNull();
    expect(outcome(field, null)).toBeNull();
    expect(outcome(field, 'none')).toBe('WRONG_TYPE');
  });
});

describe('the speaker of a talk (L5, L6)', () => {
  const event = keyOf('lightning-talk', 'events', 'e1').toString('hex');
  const speaker = keyOf('lightning-talk', 'participants', 'p1');
  const parents = {
    [`participants by address ${event} hanako@example.com`]: 'p1',
    'participants p1': speaker,
  };
  const notes = (fields: Record<string, Raw>) => {
    const scope = scopeOf({ eventId: 'e1', ...fields }, parents);
    expect(outcome(fieldOf('talks', 'speaker_name'), 'Hanako', scope)).toBe('Hanako');
    return scope.notes;
  };

  it('whose address is that of a participant is only told, never set', () => {
    expect(notes({ speakerEmail: 'Hanako@example.com' })).toEqual([
      { rule: 'L6', path: 'speakerId', was: 'participant p1 has the same address' },
    ]);
    expect(notes({ speakerEmail: 'Hanako@example.com', speakerId: null })).toHaveLength(1);
  });

  it('who is named, is unknown, or registered for another event needs no note', () => {
    expect(notes({ speakerEmail: 'hanako@example.com', speakerId: 'p1' })).toEqual([]);
    expect(notes({ speakerEmail: 'nobody@example.com' })).toEqual([]);
    expect(notes({ speakerEmail: 'hanako@example.com', eventId: 'e2' })).toEqual([]);
    expect(notes({})).toEqual([]);
  });

  it('who is not there is null, and noted', () => {
    const scope = scopeOf({}, parents);
    const field = fieldOf('talks', 'participant_id');
    expect([
      outcome(field, 'p1', scope),
      outcome(field, 'p9', scope),
      outcome(field, undefined, scope),
    ]).toEqual([speaker, null, null]);
    expect(scope.notes).toEqual([{ rule: 'L5', path: 'speakerId', was: 'p9' }]);
    expect(outcome(fieldOf('talks', 'legacy_speaker_id'), 'p9')).toBe('p9');
  });
});

describe('a status (L20)', () => {
  it('outside the known ones is kept and noted', () => {
    const scope = scopeOf();
    const field = fieldOf('events', 'status');
    expect(['upcoming', 'postponed', '', null].map((raw) => outcome(field, raw, scope))).toEqual([
      'upcoming',
      'postponed',
      '',
      null,
    ]);
    expect(scope.notes.map(({ was }) => was)).toEqual(['postponed', '']);
  });
});

describe('a venue', () => {
  const venue = json(
    '{"name": "A", "address": "", "capacity": "50", "online": 0, "mapUrl": null, "floor": 3, "rooms": [1.50]}',
  );

  it('has a column for each known member', () => {
    const column = (name: string) => outcome(fieldOf('events', name), venue);
    expect(
      ['venue_name', 'venue_address', 'capacity', 'online', 'online_url', 'map_url'].map(column),
    ).toEqual(['A', '', 50, false, null, null]);
  });

  it('keeps the others, and what is null rather than missing', () => {
    expect(String(outcome(fieldOf('events', 'venue_extra'), venue))).toBe(
      '{"floor": 3, "rooms": [1.50], "mapUrl": null}',
    );
    expect(outcome(fieldOf('events', 'venue_extra'), json('{"name": "A"}'))).toBeNull();
    expect(outcome(fieldOf('events', 'venue_extra'), undefined)).toBeNull();
  });

  it('that is no object is not guessed at', () => {
    expect(outcome(fieldOf('events', 'venue_name'), 'A')).toBe('WRONG_TYPE');
    expect(outcome(fieldOf('events', 'capacity'), json('{"capacity": "many"}'))).toBe('BAD_INTEGER');
  });
});

it('credentials go into no row and no payload of any table (L23)', async () => {
  const secrets = {
    password: 'hunter2',
    passwordHash: 'hunter2',
    token: 'hunter2',
    accessToken: 'hunter2',
    refreshToken: 'hunter2',
  };
  for (const mapping of lightningTalk.tables.filter(({ table }) => table !== 'settings')) {
    const parents = new Parents();
    parents.add('events', 'e1', keyOf('lightning-talk', 'events', 'e1'));
    const plain: Record<string, Raw> = {
      id: 'x1',
      title: 't',
      date: mapping.table === 'analytics' ? 'Wed Jul 30 2025' : '2025-07-30T10:00:00Z',
      timestamp: '2025-07-30T10:00:00Z',
      eventId: 'e1',
      email: 'a@example.com',
      name: 'n',
      action: 'a',
      interactionType: 'view',
      color: 'red',
    };
    // With and without an id: stored and quarantined.
    const records = [
      record({ ...plain, id: undefined, ...secrets }, 'x[0]'),
      record({ ...plain, ...secrets }, 'x[1]'),
    ];
    for await (const batch of batches(mapping, readerOf(records), parents, { rows: 10 })) {
      expect([mapping.table, batch.starts.length, batch.rejected.length]).toEqual([mapping.table, 1, 1]);
      expect(batch.rows.from(0).toString('latin1')).toContain('red');
      expect(batch.rows.from(0).toString('latin1')).not.toMatch(/hunter2|password|token/i);
      for (const payload of [batch.payload(0), batch.rejected[0]!.payload]) {
        expect(payload).toContain('color');
        expect(payload).not.toMatch(/password|token/i);
      }
    }
  }
});
