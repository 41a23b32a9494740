import { parentPort, threadId, workerData } from 'node:worker_threads';
import type pg from 'pg';
import { connect, setForSession, targetError } from '../database.ts';
import { type EngineTask, SqliteAnswers } from '../engine/aggregates.ts';
import { claimed } from '../engine/claim.ts';
import { compareLoaded } from '../engine/compare.ts';
import type { Counts } from '../engine/ledger.ts';
import type { TableMapping } from '../engine/mapping.ts';
import { Pace, type Window } from '../engine/pace.ts';
import { Parents } from '../engine/parents.ts';
import { loadPart } from '../engine/part.ts';
import { type OpenStore, openStore } from '../engine/store.ts';
import { CutoverError } from '../errors.ts';
import { FileList } from '../sources/file-list.ts';
import type { OrderedReader } from '../sources/source.ts';
import { systemsNamed } from '../systems/index.ts';
import type { Answer, CompareTask, LoadTask, Order, Site } from './crew.ts';

/** One member of a crew: opens the snapshot and a connection of its own, and does the tasks that it is given. */
const site = workerData as Site;
const port = parentPort!;
const say = (answer: Answer) => port.postMessage(answer);
const stop = new AbortController();

const system = systemsNamed([site.system])[0]!;

let ready: Promise<{ client: pg.Client; store: OpenStore }> | undefined;

async function begin() {
  const client = await connect(site.url, site.name);
  try {
    await setForSession(client, site.settings);
    const scratch = `${site.scratch}-${threadId}`;
    const stored = { ...site.snapshot, files: new FileList(site.snapshot.files) };
    return { client, store: await openStore(system, stored, scratch, site.purpose) };
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
}

/** The table that the last task was about, with what each task needs of it. */
let open:
  | { readonly mapping: TableMapping; readonly reader: OrderedReader; readonly parents: Parents }
  | undefined;

async function openTable({ table, known }: LoadTask | CompareTask) {
  if (open?.mapping.table !== table) {
    await open?.reader.close();
    const { store } = await ready!;
    const mapping = system.tables.find((each) => each.table === table)!;
    const parents = new Parents(known.parents);
    open = { mapping, parents, reader: await store.reader(mapping, parents, known.reader) };
  }
  return open;
}

/** This thread's share of the rate. */
let pace: Pace | undefined;

function paceAmong(members: number, window: Window | undefined): Pace {
  const rate = site.pace.maxRowsPerSecond;
  pace ??= new Pace({ window, maxRowsPerSecond: rate && rate / members }, (waits) => say({ waits }));
  return pace;
}

async function load(task: LoadTask & { members: number }): Promise<void> {
  const { part, table, members, ...how } = task;
  const { client } = await ready!;
  const { mapping, reader, parents } = await openTable(task);
  const options = {
    ...how,
    dryRun: false,
    signal: stop.signal,
    pace: paceAmong(members, site.pace.window),
    onBatch: (written: Counts) => say({ written }),
  };
  await claimed(client, how.run, table, part.n, (done) =>
    loadPart(client, mapping, reader, parents, part, done, options),
  );
  say({ done: undefined });
}

async function compare(task: CompareTask & { members: number }): Promise<void> {
  const { range, runId, view, listed, members } = task;
  const { client } = await ready!;
  const { mapping, reader, parents } = await openTable(task);
  await client.query('begin isolation level repeatable read read only');
  await client.query(`set transaction snapshot '${view}'`);
  // A comparison holds a snapshot of the database: it does not wait for a window to open again.
  const pace = paceAmong(members, undefined);
  const how = { range, pace, signal: stop.signal };
  const found = await compareLoaded(client, runId, mapping, reader, parents, listed, how);
  await client.query('commit');
  say({ done: found });
}

let answers: SqliteAnswers | undefined;

async function ask(task: EngineTask): Promise<void> {
  const { store } = await ready!;
  answers ??= new SqliteAnswers(store.sqlite!);
  say({ done: answers.to(task) });
}

async function end(): Promise<void> {
  const opened = await ready?.catch(() => undefined);
  await open?.reader.close();
  await opened?.client.end().catch(() => {});
  await opened?.store.close();
  port.close();
}

port.on('message', (order: Order) => {
  if (order === 'stop') return stop.abort(new CutoverError('interrupted', 'interrupted'));
  if (order === 'end') return void end();
  ready ??= begin();
  const work = 'part' in order ? load(order) : 'range' in order ? compare(order) : ask(order);
  work.catch((error: unknown) => {
    const known = targetError(error, site.url);
    say(
      known instanceof CutoverError
        ? { failed: { kind: known.kind, message: known.message, fix: known.fix } }
        : { failed: { message: String((known as Error)?.stack ?? known) } },
    );
  });
});
