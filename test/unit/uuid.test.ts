import { expect, it } from 'vitest';
import { keyOf } from '../../jobs/engine/uuid.ts';

// Python: uuid.uuid5(uuid.UUID('6f1c1d1a-5c0b-4f2e-9a3d-7b8e2f4a6c10'), '["lightning-talk","events","event-001"]')
it.each([
  ['events', 'event-001', '11e816c8-bd22-5bc1-b9a2-594c7399ffdf'],
  ['participants', '1751210216399-d7re6sw4c', '7983a311-d9a6-5821-8985-02b6efed05d4'],
  ['talks', '発表"1"', '93be158c-ac83-5804-bbbb-2032ac64c7d1'],
])('the key of %s %s is the UUIDv5 that Python makes', (table, legacyId, uuid) => {
  expect(keyOf('lightning-talk', table, legacyId).toString('hex')).toBe(uuid.replaceAll('-', ''));
});

it('no two of system, table and legacy id run into each other', () => {
  const keys = [
    ['a', 'b', 'c'],
    ['a', 'bc', ''],
    ['ab', '', 'c'],
    ['', 'ab', 'c'],
    ['a', 'b', 'C'],
    ['a', 'b","c', ''],
  ].map(([system, table, id]) => keyOf(system!, table!, id!).toString('hex'));
  expect(new Set(keys).size).toBe(keys.length);
});
