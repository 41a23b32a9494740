import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import { expect, test } from 'vitest';
import { makeTls } from '../../stacks/embedded/tls.ts';

test('the server is trusted through its own authority, by both of its names, and through no other', async () => {
  const tls = await makeTls();
  const other = await makeTls();
  const server = createServer({ cert: tls.cert, key: tls.key }, (socket) => socket.end()).listen(
    0,
    '127.0.0.1',
  );
  server.on('tlsClientError', () => {});
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const greet = async (ca: string, servername: string) => {
    const host = '127.0.0.1';
    const socket = connect({ host, port, ca, ...(servername === host ? {} : { servername }) });
    try {
      await once(socket, 'secureConnect');
      return socket.authorized;
    } finally {
      socket.destroy();
    }
  };
  try {
    expect(await greet(tls.ca, '127.0.0.1')).toBe(true);
    expect(await greet(tls.ca, 'localhost')).toBe(true);
    await expect(greet(tls.ca, 'elsewhere.example')).rejects.toThrow(/altnames/);
    await expect(greet(other.ca, '127.0.0.1')).rejects.toThrow();
  } finally {
    server.close();
  }
});

test('the server certificate cannot sign others, serves as client too, and outlives the home', async () => {
  const now = new Date('2030-01-01T00:00:00Z');
  const { ca, cert } = await makeTls(now);
  const [authority, server] = [new X509Certificate(ca), new X509Certificate(cert)];
  expect(authority.ca).toBe(true);
  expect(server.ca).toBe(false);
  expect(server.verify(authority.publicKey)).toBe(true);
  // Extended key usages: serverAuth and clientAuth.
  expect(server.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  expect(Date.parse(server.validFrom)).toBeLessThan(now.getTime());
  expect(new Date(server.validTo).getUTCFullYear()).toBe(2039);
});
