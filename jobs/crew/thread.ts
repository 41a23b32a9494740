import { parentPort, workerData } from 'node:worker_threads';
import type pg from 'pg';
import { connect, setForSession, targetError } from '../database.ts';
import { compareTable, type Divergence } from '../engine/compare.ts';
import { quarantinedIn } from '../engine/ledger.ts';
import type { TableMapping } from '../engine/mapping.ts';
import { Pace } from '../engine/pace.ts';
import { Parents } from '../engine/parents.ts';
import { loadPart } from '../engine/part.ts';
import { type OpenStore, openStore } from '../engine/store.ts';
import { CutoverError } from '../errors.ts';
import { systemsNamed } from '../systems/index.ts';
import type { Answer, CompareTask, LoadTask, Order, Site } from './crew.ts';

/** One member of a crew: opens the snapshot and a connection of its own, and does the tasks that it is given. */
const site = workerData as Site;
const port = parentPort!;
const say = (answer: Answer) => port.postMessage(answer);
const stop = new AbortController();

const system = systemsNamed([site.system])[0]!;

const loading = new Pace(site.pace);
// A comparison holds one snapshot of the database: it does not wait for a window to open again.
const comparing = new Pace({ maxRowsPerSecond: site.pace.maxRowsPerSecond });

let ready: Promise<{ client: pg.Client; store: OpenStore }> | undefined;

async function begin() {
  const client = await connect(site.url, site.name);
  await setForSession(client, site.settings);
  return { client, store: await openStore(system, site.snapshot, site.scratch) };
}

function tableNamed(table: string): TableMapping {
  return system.tables.find((mapping) => mapping.table === table)!;
}

async function load({ table, part, done, ...how }: LoadTask): Promise<void> {
  const { client, store } = await ready!;
  const mapping = tableNamed(table);
  const parents = new Parents();
  const reader = await store.reader(mapping, parents);
  try {
    await loadPart(client, mapping, reader, parents, part, done, {
      ...how,
      dryRun: false,
      signal: stop.signal,
      pace: loading,
      onBatch: (written) => say({ written }),
    });
  } finally {
    await reader.close();
  }
  say({ done: undefined });
}

async function compare({ table, range, runId, view, listed }: CompareTask): Promise<void> {
  const { client, store } = await ready!;
  const mapping = tableNamed(table);
  const parents = new Parents();
  const reader = await store.reader(mapping, parents);
  const divergences: Divergence[] = [];
  try {
    await client.query('begin isolation level repeatable read read only');
    await client.query(`set transaction snapshot '${view}'`);
    const quarantined = await quarantinedIn(client, runId, table);
    const comparison = await compareTable(
      client,
      mapping,
      reader,
      parents,
      quarantined,
      (each) => {
        if (divergences.length < listed) divergences.push(each);
      },
      { range, pace: comparing },
    );
    await client.query('commit');
    say({ done: { ...comparison, divergences } });
  } finally {
    await reader.close();
  }
}

async function end(): Promise<void> {
  const opened = await ready?.catch(() => undefined);
  await opened?.client.end().catch(() => {});
  await opened?.store.close();
  port.close();
}

port.on('message', (order: Order) => {
  if (order === 'stop') return stop.abort(new CutoverError('interrupted', 'interrupted'));
  if (order === 'end') return void end();
  ready ??= begin();
  const work = 'part' in order ? load(order) : compare(order);
  work.catch((error: unknown) => {
    const known = targetError(error, site.url);
    say(
      known instanceof CutoverError
        ? { failed: { kind: known.kind, message: known.message, fix: known.fix } }
        : { failed: { message: String((known as Error)?.stack ?? known) } },
    );
  });
});
