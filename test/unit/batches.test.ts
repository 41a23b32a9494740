import { describe, expect, it } from 'vitest';
import { type Batch, batches } from '../../jobs/engine/batches.ts';
import { bigint, double, reference, text } from '../../jobs/engine/contracts.ts';
import type { DuplicateVerdict, TableMapping } from '../../jobs/engine/mapping.ts';
import { Parents } from '../../jobs/engine/parents.ts';
import { int8 } from '../../jobs/engine/pg-types.ts';
import { Reject } from '../../jobs/engine/reject.ts';
import { random } from '../../jobs/sample/random.ts';
import { JsonNumber } from '../../jobs/sources/json-value.ts';
import type { Raw, SourceRecord } from '../../jobs/sources/source.ts';
import { mappingOf, readerOf, record, rowsIn } from '../records.ts';

/** A batch as plain data. */
function plain(batch: Batch) {
  const rows = rowsIn(batch.rows);
  return {
    // [id, name]
    rows: rows.map(([id, name]) => [
      Number(BigInt.asIntN(64, BigInt(`0x${id}`))),
      name === null ? null : Buffer.from(name!, 'hex').toString(),
    ]),
    bytes: batch.rows.from(0).toString('hex'),
    starts: batch.starts,
    locators: batch.starts.map((_, i) => batch.locator(i)),
    payloads: batch.starts.map((_, i) => batch.payload(i)),
    rejected: batch.rejected,
    merged: batch.merged,
    notes: batch.notes,
    from: batch.from,
    to: batch.to,
    last: batch.last,
  };
}

async function collect(
  mapping: TableMapping,
  records: readonly SourceRecord[],
  options: { rows: number; from?: number },
  parents = new Parents(),
) {
  const found = [];
  for await (const batch of batches(mapping, readerOf(records), parents, options)) found.push(plain(batch));
  return found;
}

const thing = (at: number, id: number | null, name: Raw = `n${at}`) =>
  record({ id: id === null ? null : new JsonNumber(String(id)), name }, `things[${at}]`);
const things = (...ids: (number | null)[]) => ids.map((id, at) => thing(at, id));

const merge = (winner: 'first' | 'second'): DuplicateVerdict => ({ winner, loser: 'merge', rule: 'R' });

describe('batches', () => {
  it('hold as many rows as asked for, and tell the positions that they cover', async () => {
    const found = await collect(mappingOf(), things(1, 2, 3, 4, 5), { rows: 2 });
    expect(
      found.map(({ rows, from, to, last }) => ({ ids: rows.map(([id]) => id), from, to, last })),
    ).toEqual([
      { ids: [1, 2], from: 0, to: 2, last: false },
      { ids: [3, 4], from: 2, to: 4, last: false },
      { ids: [5], from: 4, to: 5, last: true },
    ]);
    expect(found[0]!.locators).toEqual(['things[0]', 'things[1]']);
    expect(found[0]!.payloads).toEqual(['{id,name}', '{id,name}']);
  });

  it('of an empty source are one, which is the last', async () => {
    expect(await collect(mappingOf(), [], { rows: 2 })).toMatchObject([
      { rows: [], from: 0, to: 0, last: true },
    ]);
  });

  it('keep records of one key together, however many there are', async () => {
    const identical = [1, 1, 1, 1, 2, 2].map((id, at) => thing(at, id, 'same'));
    const found = await collect(mappingOf(), identical, { rows: 1 });
    expect(found.map(({ rows, from, to, merged }) => [rows, from, to, merged.length])).toEqual([
      [[[1, 'same']], 0, 4, 3],
      [[[2, 'same']], 4, 6, 1],
    ]);
  });

  it('account for every record: read is stored and merged and rejected', async () => {
    const records = [thing(0, 1, 'a'), thing(1, 1, 'a'), thing(2, 1, 'b'), thing(3, null), thing(4, 2, 'c')];
    for (const { from, to, locators, merged, rejected } of await collect(mappingOf(), records, { rows: 1 })) {
      expect(locators.length + merged.length + rejected.length).toBe(to - from);
    }
  });

  it('end early when their rows are long', async () => {
    const long = 'x'.repeat(3 << 19);
    const records = [1, 2, 3, 4, 5].map((id, at) => thing(at, id, long));
    const found = [];
    for await (const { starts } of batches(mappingOf(), readerOf(records), new Parents(), { rows: 1000 })) {
      found.push(starts.length);
    }
    // The second row passes 2 MiB.
    expect(found).toEqual([2, 2, 1]);
  });

  it('end after so many records also where most of them are set aside', async () => {
    const rejected = await collect(mappingOf(), things(null, null, null, null, null), { rows: 2 });
    expect(rejected.map(({ from, to, last }) => [from, to, last])).toEqual([
      [0, 2, false],
      [2, 4, false],
      [4, 5, true],
    ]);
    const merged = [1, 1, 1, 2, 3].map((id, at) => thing(at, id, 'same'));
    expect((await collect(mappingOf(), merged, { rows: 2 })).map(({ from, to }) => [from, to])).toEqual([
      [0, 3],
      [3, 5],
    ]);
  });

  it('refuse a source that is not in the order of its key', async () => {
    await expect(collect(mappingOf(), things(1, 3, 2), { rows: 10 })).rejects.toThrow(
      'things[2] comes after things[1] but sorts before it',
    );
    // Also where the batch of the row before has ended.
    await expect(collect(mappingOf(), things(1, 3, 2), { rows: 1 })).rejects.toThrow(
      'things[2] comes after things[1]',
    );
  });
});

describe('a record that cannot be stored', () => {
  it('is set aside with its reason, place and payload', async () => {
    const found = await collect(mappingOf(), [thing(0, 1), thing(1, 2, 'a\0b'), thing(2, 3)], { rows: 10 });
    expect(found[0]!.rows.map(([id]) => id)).toEqual([1, 3]);
    expect(found[0]!.rejected).toEqual([
      {
        locator: 'things[1]',
        code: 'NUL_CHARACTER',
        field: 'name',
        detail: 'U+0000 in text',
        payload: '{id,name}',
      },
    ]);
  });

  it('has no part in a batch that is full', async () => {
    const found = await collect(mappingOf(), [thing(0, 1), thing(1, null), thing(2, null), thing(3, 2)], {
      rows: 1,
    });
    expect(found.map(({ from, to, rejected }) => [from, to, rejected.length])).toEqual([
      [0, 3, 2],
      [3, 4, 0],
    ]);
  });

  it('loses what the mapping leaves out from its payload', async () => {
    const mapping = mappingOf({ leftOut: { password: 'a credential' } });
    const secret = (at: number, id: Raw) => record({ id, password: 'hunter2', name: 'n' }, `things[${at}]`);
    const one = new JsonNumber('1');
    const found = await collect(mapping, [secret(0, one), secret(1, one), secret(2, null)], { rows: 10 });
    expect(found[0]!.payloads).toEqual(['{id,name}']);
    expect(found[0]!.merged[0]!.payload).toBe('{id,name}');
    expect(found[0]!.rejected[0]!.payload).toBe('{id,name}');
  });
});

describe('records of one key', () => {
  it('without a rule: the first stays, an equal one is merged, another one quarantined', async () => {
    const records = [thing(0, 1, 'a'), thing(1, 1, 'a'), thing(2, 1, 'b')];
    const [batch] = await collect(mappingOf(), records, { rows: 10 });
    expect(batch!.rows).toEqual([[1, 'a']]);
    expect(batch!.merged).toEqual([
      {
        locator: 'things[1]',
        winner: 'things[0]',
        rule: 'the first record of a key is kept',
        identical: true,
        payload: '{id,name}',
      },
    ]);
    expect(batch!.rejected).toEqual([
      {
        locator: 'things[2]',
        code: 'DUPLICATE_KEY',
        field: 'id',
        detail: 'same key as things[0]',
        payload: '{id,name}',
      },
    ]);
  });

  it.each([
    ['shorter', ['long name', 'b', 'c']],
    ['longer', ['a', 'long name', 'c']],
    ['of equal length', ['a', 'b', 'c']],
  ])('the second wins with a row that is %s', async (_what, names) => {
    const mapping = mappingOf({ duplicates: () => merge('second') });
    const records = [
      thing(0, 1, 'before'),
      ...names.map((name, i) => thing(i + 1, 2, name)),
      thing(4, 3, 'after'),
    ];
    const [batch] = await collect(mapping, records, { rows: 10 });
    expect(batch!.rows).toEqual([
      [1, 'before'],
      [2, 'c'],
      [3, 'after'],
    ]);
    expect(batch!.locators).toEqual(['things[0]', 'things[3]', 'things[4]']);
    expect(batch!.merged.map(({ locator, winner, identical }) => [locator, winner, identical])).toEqual([
      ['things[1]', 'things[2]', false],
      ['things[2]', 'things[3]', false],
    ]);
  });

  it('a loser that is quarantined is the record that lost, first or second', async () => {
    for (const winner of ['first', 'second'] as const) {
      const mapping = mappingOf({
        duplicates: () => ({ winner, loser: { quarantine: 'TWICE' }, rule: 'R' }),
      });
      const [batch] = await collect(mapping, [thing(0, 1, 'a'), thing(1, 1, 'b')], { rows: 10 });
      const [kept, lost] = winner === 'first' ? [0, 1] : [1, 0];
      expect(batch!.locators).toEqual([`things[${kept}]`]);
      expect(batch!.rejected).toMatchObject([
        { locator: `things[${lost}]`, code: 'TWICE', detail: `same key as things[${kept}]` },
      ]);
      expect(batch!.merged).toEqual([]);
    }
  });

  it('the rule sees both rows in source order, and whether they are equal byte for byte', async () => {
    const seen: unknown[] = [];
    const mapping = mappingOf({
      duplicates: (first, second, identical) => {
        seen.push([
          first.record.locator,
          first.value('name'),
          second.record.locator,
          second.value('name'),
          identical,
        ]);
        return merge('first');
      },
    });
    await collect(mapping, [thing(0, 1, 'a'), thing(1, 1, 'b'), thing(2, 1, 'a')], { rows: 10 });
    expect(seen).toEqual([
      ['things[0]', 'a', 'things[1]', 'b', false],
      ['things[0]', 'a', 'things[2]', 'a', true],
    ]);
  });

  it('a rule may say itself what counts as identical', async () => {
    const mapping = mappingOf({ duplicates: () => ({ ...merge('first'), identical: true }) });
    const [batch] = await collect(mapping, [thing(0, 1, 'a'), thing(1, 1, 'b')], { rows: 10 });
    expect(batch!.merged[0]!.identical).toBe(true);
  });
});

describe('notes', () => {
  const mapping = mappingOf({
    fields: [bigint('id'), double('name', { nullable: true, infinite: 'H4' })],
  });
  const noted = (at: number, id: number) => thing(at, id, new JsonNumber('Infinity'));

  it('are counted by rule, in the batch of their row', async () => {
    const records = [noted(0, 1), noted(1, 2), noted(2, 3), thing(3, 4, null)];
    const found = await collect(mapping, records, { rows: 2 });
    expect(found.map(({ notes }) => notes)).toEqual([{ H4: 2 }, { H4: 1 }]);
  });

  it('of a record that is not stored don’t count', async () => {
    const firstWins = await collect(mapping, [noted(0, 1), noted(1, 1)], { rows: 2 });
    expect(firstWins[0]!.notes).toEqual({ H4: 1 });
    const secondWins = await collect(
      { ...mapping, duplicates: () => merge('second') },
      [noted(0, 1), thing(1, 1, null)],
      { rows: 2 },
    );
    expect(secondWins[0]!.notes).toEqual({});
  });
});

describe('parents', () => {
  const mapping = mappingOf({
    fields: [bigint('id'), text('name')],
    parents: [{ as: 'things', by: (row) => String(row('name')), key: 'id' }],
    duplicates: () => merge('second'),
  });

  it('every name leads to the key of the row that is stored', async () => {
    const parents = new Parents();
    await collect(
      mapping,
      [thing(0, 1, 'a'), thing(1, 1, 'b'), thing(2, 2, 'c'), thing(3, null, 'd')],
      { rows: 1 },
      parents,
    );
    expect(['a', 'b', 'c', 'd', 'e'].map((name) => parents.find('things', name))).toEqual([
      1n,
      1n,
      2n,
      undefined,
      undefined,
    ]);
  });

  it('a name of a record that gave way leads to the winner, whatever its other columns', async () => {
    const keyed = mappingOf({
      key: ['name'],
      fields: [text('name'), bigint('id')],
      parents: [{ as: 'things', by: (row) => `#${row('id')}`, key: 'id' }],
      duplicates: () => merge('first'),
    });
    const parents = new Parents();
    await collect(keyed, [thing(0, 7, 'a'), thing(1, 8, 'a')], { rows: 1 }, parents);
    expect(parents.find('things', '#8')).toBe(7n);
  });

  it('names of records that gave way to one that then gave way itself lead to the last winner', async () => {
    const keyed = mappingOf({
      key: ['name'],
      fields: [text('name'), bigint('id')],
      parents: [{ as: 'things', by: (row) => `#${row('id')}`, key: 'id' }],
      duplicates: (_first, second) => merge(second.value('id') === 9n ? 'second' : 'first'),
    });
    const parents = new Parents();
    await collect(keyed, [thing(0, 7, 'a'), thing(1, 8, 'a'), thing(2, 9, 'a')], { rows: 1 }, parents);
    expect(['#7', '#8', '#9'].map((name) => parents.find('things', name))).toEqual([9n, 9n, 9n]);
  });
});

describe('going on at a position', () => {
  /** Records with gaps in the ids, duplicates, rejects and notes in them. */
  function mixed(seed: number): SourceRecord[] {
    const values = random(seed, 'resume');
    let id = 0;
    return Array.from({ length: 60 }, (_, at) => {
      if (values.next() < 0.6) id += values.int(1, 3);
      if (values.next() < (seed % 2 ? 0.1 : 0.7)) return thing(at, id, 'n\0l');
      return thing(at, id, new JsonNumber(values.pick(['1', '2', '2', '3', 'Infinity', '1e999'])));
    });
  }

  const base = mappingOf({
    fields: [bigint('id'), double('name', { infinite: 'H4' })],
    duplicates: (first, second, identical) =>
      identical
        ? { winner: 'first', loser: 'merge', rule: 'same' }
        : Number(second.value('name')) > Number(first.value('name'))
          ? { winner: 'second', loser: 'merge', rule: 'larger' }
          : { winner: 'first', loser: { quarantine: 'SMALLER' }, rule: 'smaller' },
  });
  /** Refuses a record that repeats the value of the last one whose id is less by three. */
  const watching: TableMapping = {
    ...base,
    watch: (place) => {
      const seen = new Map<number, string>();
      return (row) => {
        const id = row.int64(place('id'));
        const name = row.bytes(place('name')).toString();
        if (seen.get(id - 3) === name) throw new Reject('AGAIN', 'name', 'as three before');
        seen.set(id, name);
      };
    },
  };
  const withParents: TableMapping = {
    ...base,
    parents: [{ as: 'things', by: (row) => String(row('name')), key: 'id' }],
  };

  it.each([
    ['plain', base],
    ['with a rule that looks back', watching],
    ['with rows that others refer to', withParents],
  ])('%s: what is left is the same as in one pass', async (_what, mapping) => {
    for (let seed = 1; seed <= 5; seed++) {
      const records = mixed(seed);
      for (const rows of [1, 2, 5, 100]) {
        const parents = new Parents();
        const all = await collect(mapping, records, { rows }, parents);
        for (const [i, { to }] of all.entries()) {
          const again = new Parents();
          const left = await collect(mapping, records, { rows, from: to }, again);
          if (i === all.length - 1) {
            expect(left).toMatchObject([
              { rows: [], merged: [], rejected: [], notes: {}, from: to, to, last: true },
            ]);
          } else {
            expect(left).toEqual(all.slice(i + 1));
          }
          if (mapping.parents) expect(again).toEqual(parents);
          // The same records, also in batches of another size.
          const other = await collect(mapping, records, { rows: 3, from: to });
          const contents = (found: typeof all) =>
            (['rows', 'locators', 'merged', 'rejected'] as const).map((part) =>
              found.flatMap((each) => each[part] as unknown[]),
            );
          expect(contents(other)).toEqual(contents(all.slice(i + 1)));
        }
      }
    }
  });

  it('the records that a rule must have seen are read, the others not', async () => {
    const records = things(...Array.from({ length: 30 }, (_, i) => i + 1));
    const starts: number[] = [];
    const reader = readerOf(records);
    const spied = {
      ...reader,
      blocks(from: number) {
        starts.push(from);
        return reader.blocks(from);
      },
    };
    for (const mapping of [mappingOf(), mappingOf({ watch: () => () => {} }), mappingOf({ parents: [] })]) {
      for await (const _ of batches(mapping, spied, new Parents(), { rows: 5, from: 20 }));
    }
    expect(starts).toEqual([20, 0, 0]);
  });
});

it('a child without its parent is quarantined on every pass alike', async () => {
  const mapping = mappingOf({
    fields: [
      bigint('id'),
      reference('name', int8, { parents: 'owners', stored: 'text', orphan: { reject: 'ORPHAN' } }),
    ],
  });
  const parents = new Parents();
  parents.add('owners', 'n1', 1n);
  const [batch] = await collect(mapping, things(1, 2, 3), { rows: 10 }, parents);
  expect(batch!.rows.map(([id]) => id)).toEqual([2]);
  expect(batch!.rejected.map(({ locator, code }) => [locator, code])).toEqual([
    ['things[0]', 'ORPHAN'],
    ['things[2]', 'ORPHAN'],
  ]);
});
