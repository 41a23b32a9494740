import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below 32768, where Linux takes the ports of outgoing connections from (ip_local_port_range). */
const FIRST = 20_000;
const WIDTH = 200;
const SLICES = 60;

/** A free port of 127.0.0.1, outside `taken`, to which the answer is added. */
export async function freePort(taken: Set<number>): Promise<number> {
  let tries = 0;
  for (;;) {
    // Starts at the same moment are processes of neighbouring numbers: each looks in a part of its own, so that none takes a
    // port between another's look and its use. A part that is full gives way to all.
    const slice = tries++ < WIDTH ? process.pid % SLICES : randomInt(SLICES);
    const port = FIRST + slice * WIDTH + randomInt(WIDTH);
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
