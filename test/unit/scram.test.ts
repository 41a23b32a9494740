import { createHash, createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { scramVerifier } from '../../jobs/scram.ts';

// The exchange of RFC 7677, section 3: user "user", password "pencil".
const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
const AUTH_MESSAGE = [
  'n=user,r=rOprNGfwEbeRWgbNEkqO',
  'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
].join(',');
const CLIENT_PROOF = Buffer.from('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=', 'base64');
const SERVER_SIGNATURE = '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=';

const hmac = (key: Buffer) => createHmac('sha256', key).update(AUTH_MESSAGE).digest();

it('the keys are those of the exchange in RFC 7677', () => {
  const match = /^SCRAM-SHA-256\$4096:([^$]+)\$([^:]+):(.+)$/.exec(scramVerifier('pencil', SALT))!;
  const [salt, storedKey, serverKey] = match.slice(1).map((text) => Buffer.from(text, 'base64'));
  expect(salt).toEqual(SALT);
  expect(hmac(serverKey!).toString('base64')).toBe(SERVER_SIGNATURE);
  // What the client proves: it knows the key whose hash is stored.
  const signature = hmac(storedKey!);
  const clientKey = CLIENT_PROOF.map((byte, i) => byte ^ signature[i]!);
  expect(createHash('sha256').update(clientKey).digest()).toEqual(storedKey);
});

it('each verifier has a salt of its own, and none shows the password', () => {
  const [one, two] = [scramVerifier('pencil'), scramVerifier('pencil')];
  expect(one).not.toBe(two);
  expect(one).not.toContain('pencil');
});
