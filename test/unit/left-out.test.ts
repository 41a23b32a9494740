import { describe, expect, it } from 'vitest';
import { parseJson } from '../../jobs/sources/json-parse.ts';
import { writeJson } from '../../jobs/sources/json-records.ts';
import { JsonNumber, withoutMembers } from '../../jobs/sources/json-value.ts';
import { isCredential, LeftOutMembers, mayHoldCredential } from '../../jobs/sources/left-out.ts';

describe('a credential', () => {
  it.each([
    'password',
    'passwd',
    'passwordHash',
    'smtp_password',
    'SMTP-Password',
    'smtp_pass',
    'dbPass',
    'pwd',
    'user_pwd',
    'passphrase',
    'secret',
    'client_secret',
    'secretKey',
    'token',
    'authToken',
    'access_token',
    'refreshToken',
    'apiKey',
    'api_key',
    'apikey',
    'openai_api_key',
    'X-API-Key',
    'private_key',
    'aws_access_key_id',
    'authorization',
    'Bearer',
    'credentials',
    'connectionString',
    'webhook_url',
    'session_cookie',
  ])('is what is called %s', (name) => {
    expect(isCredential(name, 'x')).toBe(true);
    expect(isCredential(name, Buffer.from('x'))).toBe(true);
    expect(isCredential(name, { of: 'x' })).toBe(true);
  });

  it.each([
    'max_tokens',
    'tokens',
    'tokenizer',
    'secretary',
    'authentication_type',
    'author',
    'bypass',
    'compass',
    'pass_rate',
    'session_id',
    'key',
    'monkey',
    'email',
    'hash',
    'sha256',
    'keyboard',
    'passing_score',
  ])('is not what is called %s', (name) => {
    expect(isCredential(name, 'x')).toBe(false);
  });

  it.each([[null], [true], [12], [new JsonNumber('12')], [12n], ['']])(
    'is no %s, whatever it is called',
    (value) => {
      expect(isCredential('token', value)).toBe(false);
    },
  );

  it('is a URL with a password, whatever it is called', () => {
    expect(isCredential('database', 'postgresql://app:pw@db.example.com/app')).toBe(true);
    expect(isCredential('cache', Buffer.from('redis://:pw@h'))).toBe(true);
    expect(isCredential('homepage', 'https://example.com/a:b@c')).toBe(false);
    expect(isCredential('note', 'see https://example.com')).toBe(false);
  });
});

it('is taken out at any depth, and the place is told', () => {
  const { value } = parseJson(
    Buffer.from('{"a": {"apiKey": "k", "n": 1.50}, "list": [{"token": "t"}, {"token": 5}], "b": "url"}'),
  );
  const paths: string[] = [];
  const kept = withoutMembers(value, new LeftOutMembers({ b: 'named' }), (path) => paths.push(path));
  expect(writeJson(kept)).toBe('{"a": {"n": 1.50}, "list": [{}, {"token": 5}]}');
  expect(paths).toEqual(['$.a.apiKey', '$.list[0].token', '$.b']);
});

it('a document with nothing to leave out is the document itself', () => {
  const { value } = parseJson(Buffer.from('{"a": [{"n": 1}, "x"], "max_tokens": "many"}'));
  expect(withoutMembers(value, new LeftOutMembers())).toBe(value);
});

it.each([
  ['{"name": "x", "text": "cut', false],
  ['{"api_key": "x', true],
  ['{"smtpPass": "x', true],
  ['{"url": "postgres://a:b@h', true],
])('what may stand in a text that nobody can parse: %s', (text, expected) => {
  expect(mayHoldCredential(text)).toBe(expected);
});
