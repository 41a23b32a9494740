import type { Platform } from '../jobs/platform.ts';

/** One timed run of a peer. */
export interface Run {
  readonly seconds: number;
  /** Peak resident set of the process that did the work, in bytes; undefined where that can't be told (a server's). */
  readonly rss?: number | undefined;
}

/** A way to do a case's work. */
export interface Peer {
  readonly name: string;
  /** Rows that it does, where they are not the case's; what is compared then is its rate. */
  readonly rows?: number | undefined;
  /** The peer that its ratio is against, where it is not the case's. */
  readonly against?: string | undefined;
  /** What it needs and this machine has not; undefined when it can run. Never estimated, never replaced. */
  readonly missing?: (() => Promise<string | undefined>) | undefined;
  /** Puts things back so that a run begins as every other; not timed. */
  readonly prepare?: (() => Promise<void>) | undefined;
  run(): Promise<Run>;
}

export interface Case {
  readonly name: string;
  /** What is measured, in one line. */
  readonly what: string;
  readonly rows: number;
  /** Bytes that go through, for MB/s; undefined where that says nothing. */
  readonly bytes?: number | undefined;
  /** The peer that ratios are against: ratio = its seconds / theirs, so more is faster. */
  readonly against: string;
  readonly peers: readonly Peer[];
  close(): Promise<void>;
}

/** What a case is given. */
export interface Bench {
  /** Platform that runs for the bench alone; its URLs are of superusers, over TLS. */
  readonly platform: Platform;
  /** Folder for data, kept between runs so that seeded data is made once. */
  readonly folder: string;
  /** What --rows asked for; undefined: the case's own size. */
  readonly rows: number | undefined;
  readonly log: (line: string) => void;
}

/** Each file of `bench/cases` exports one as `make`; the file's name is the case's. */
export type MakeCase = (bench: Bench) => Promise<Case>;
