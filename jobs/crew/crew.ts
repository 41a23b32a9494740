import { Worker } from 'node:worker_threads';
import type { Answer as EngineAnswer, EngineTask } from '../engine/aggregates.ts';
import type { Compared, KeyRange } from '../engine/compare.ts';
import type { Counts } from '../engine/ledger.ts';
import type { LoadCrew } from '../engine/load.ts';
import type { PaceOptions } from '../engine/pace.ts';
import type { Known, PartTask } from '../engine/part.ts';
import type { Purpose } from '../engine/store.ts';
import { CutoverError } from '../errors.ts';
import type { SharedFiles } from '../sources/file-list.ts';
import type { StoredFiles } from '../sources/snapshot.ts';
import { type MappingOrigin, makeThreadFile } from './thread-file.ts';

/** Where a crew works: what each thread opens for itself. */
export interface Site {
  readonly system: string;
  readonly origin?: MappingOrigin | undefined;
  readonly snapshot: Omit<StoredFiles, 'files'> & { readonly files: SharedFiles };
  readonly purpose: Purpose;
  readonly scratch: string;
  /** Of the database, with the login that the step has. */
  readonly url: string;
  /** Name and settings of its sessions. */
  readonly name: string;
  readonly settings: Readonly<Record<string, string>>;
  /** Of all threads together. */
  readonly pace: PaceOptions;
}

export type LoadTask = PartTask & { readonly table: string };

export interface CompareTask {
  readonly table: string;
  readonly range: KeyRange;
  readonly known: Known;
  readonly runId: string;
  /** A snapshot of the database that the step's own transaction has exported. */
  readonly view: string;
  /** So many divergences are handed over; all are counted. */
  readonly listed: number;
}

type Task = LoadTask | CompareTask | EngineTask;
/** A task, with how many threads share the rate; or a word to all. */
export type Order = (Task & { readonly members: number }) | 'stop' | 'end';
export type Answer =
  /** Until when, because the window is shut. */
  | { readonly waits: Date }
  | { readonly written: Counts }
  | { readonly done: Result }
  | { readonly failed: { kind?: CutoverError['kind']; message: string; fix?: string | undefined } };

/** What a task comes to; nothing for a load. */
type Result = Compared | EngineAnswer | undefined;

/** Threads that work on one system's snapshot side by side, each with a connection of its own. */
export class Crew implements LoadCrew {
  #members: Member[] = [];
  #file: ReturnType<typeof makeThreadFile> | undefined;

  constructor(
    readonly threads: number,
    readonly partRows: number,
    private readonly site: Site,
    private readonly signal: AbortSignal | undefined,
    private readonly waits: (until: Date) => void,
  ) {}

  /** Starts the threads while something else is done that they will follow. */
  prepare(): void {
    if (this.threads < 2) return;
    this.#file ??= makeThreadFile(this.site.origin);
    // What goes wrong is said when there is work for them.
    const all = ({ path }: { readonly path: string }) => {
      for (let at = 0; at < this.threads; at++) this.#members[at] ??= begin(path, this.site);
    };
    this.#file.then(all, () => {});
  }

  async load(table: string, tasks: readonly PartTask[], onBatch: (written: Counts) => void): Promise<void> {
    await this.#all(
      tasks.map((task): LoadTask => ({ ...task, table })),
      onBatch,
    );
  }

  async compare(tasks: readonly CompareTask[]): Promise<Compared[]> {
    return (await this.#all(tasks, () => {})) as Compared[];
  }

  /** Whether there are threads by now. */
  get isThere(): boolean {
    return this.#members.length > 0;
  }

  /** Asks the snapshot's engine, a thread a task. */
  async ask(tasks: readonly EngineTask[]): Promise<EngineAnswer[]> {
    return (await this.#all(tasks, () => {})) as EngineAnswer[];
  }

  /** Ends the threads. */
  async end(): Promise<void> {
    await this.#file?.catch(() => undefined);
    for (const { worker } of this.#members) worker.postMessage('end' satisfies Order);
    await Promise.all(this.#members.map(({ ended }) => ended));
    this.#members = [];
    await (await this.#file?.catch(() => undefined))?.remove();
    this.#file = undefined;
  }

  /** Hands the tasks out, the next one to whoever is free. The first failure stops the others at their next batch. */
  async #all(tasks: readonly Task[], onBatch: (written: Counts) => void) {
    const results: Result[] = [];
    let next = 0;
    let failure: unknown;
    const stop = () => {
      for (const { worker } of this.#members) worker.postMessage('stop' satisfies Order);
    };
    this.#file ??= makeThreadFile(this.site.origin);
    const { path } = await this.#file;
    const members = Math.min(this.threads, tasks.length);
    this.signal?.addEventListener('abort', stop);
    try {
      await Promise.all(
        Array.from({ length: members }, async (_, at) => {
          this.#members[at] ??= begin(path, this.site);
          while (next < tasks.length && failure === undefined && !this.signal?.aborted) {
            const mine = next++;
            try {
              results[mine] = await this.#one(
                this.#members[at]!.worker,
                { ...tasks[mine]!, members },
                onBatch,
              );
            } catch (error) {
              failure ??= error;
              stop();
            }
          }
        }),
      );
    } finally {
      this.signal?.removeEventListener('abort', stop);
    }
    this.signal?.throwIfAborted();
    if (failure !== undefined) throw failure;
    return results;
  }

  #one(worker: Worker, order: Exclude<Order, string>, onBatch: (written: Counts) => void): Promise<Result> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        worker.off('message', heard).off('error', died).off('exit', left);
        settle();
      };
      const heard = (answer: Answer) => {
        if ('written' in answer) onBatch(answer.written);
        else if ('waits' in answer) this.waits(answer.waits);
        else if ('done' in answer) finish(() => resolve(answer.done));
        else {
          const { kind, message, fix } = answer.failed;
          finish(() =>
            reject(kind === undefined ? new Error(message) : new CutoverError(kind, message, fix)),
          );
        }
      };
      const died = (error: Error) => finish(() => reject(error));
      const left = (code: number) => finish(() => reject(new Error(`a thread ended with code ${code}`)));
      worker.on('message', heard).on('error', died).on('exit', left);
      worker.postMessage(order);
    });
  }
}

interface Member {
  readonly worker: Worker;
  /** Settled once the thread has ended, in whatever way. */
  readonly ended: Promise<unknown>;
}

function begin(path: string, site: Site): Member {
  const worker = new Worker(path, {
    workerData: site,
    execArgv: [],
    // Rows are written into memory that is used again: what is collected is small and short-lived.
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
  });
  // A thread that dies between two tasks is met by the next one.
  worker.on('error', () => {});
  return { worker, ended: new Promise((resolve) => worker.once('exit', resolve)) };
}
