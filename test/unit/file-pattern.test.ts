import { expect, it } from 'vitest';
import { matchesPattern } from '../../jobs/sources/file-pattern.ts';

const HASH = '0ad62740e90f2cf5f4f370a0c50ae74ecc958ddca2573fecfd35c27d9adfc308';

it.each([
  ['a.json', 'a.json', true],
  ['a.json', 'aXjson', false],
  ['a.json', 'b/a.json', false],
  ['**/a.json', 'a.json', true],
  ['**/a.json', 'b/頻度ベース（高しきい値）/a.json', true],
  ['**/a.json', 'b/ba.json', false],
  ['*/a.json', 'a.json', false],
  ['*/a.json', 'b/c/a.json', false],
  ['**/ab_tests/*.json', 'data/ab_tests/one.json', true],
  ['**/ab_tests/*.json', 'data/ab_tests/old/one.json', false],
  ['**/*.{pkl,joblib}', 'data/ml_models/m.joblib', true],
  ['**/*.{pkl,joblib}', 'data/ml_models/m.pkl2', false],
  ['**/[0-9a-f]{64}.json', `cache/${HASH}.json`, true],
  ['**/[0-9a-f]{64}.json', `cache/${HASH}0.json`, false],
  ['**/[0-9a-f]{64}.json', `cache/${HASH.toUpperCase()}.json`, false],
  ['data_*.json', 'data_(1)+$.json', true],
])('%s and %s: %s', (pattern, name, matches) => {
  expect(matchesPattern(pattern, name)).toBe(matches);
});
