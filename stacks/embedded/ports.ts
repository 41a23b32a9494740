import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below 32768, where Linux takes the ports of outgoing connections from (ip_local_port_range). */
const range = [20_000, 32_000] as const;

/** A free port of 127.0.0.1, outside `taken`, to which the answer is added. */
export async function freePort(taken: Set<number>): Promise<number> {
  for (;;) {
    const port = randomInt(...range);
    if (taken.has(port) || !(await isFree(port))) continue;
    taken.add(port);
    return port;
  }
}

/** Whether a server could listen on 127.0.0.1:port now. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
