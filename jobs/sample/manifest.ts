/** What the migration's written rule does with a record: a quarantine reason code, or one of the other three. */
export type Outcome = 'kept' | 'noted' | 'merged' | QuarantineCode;

export type QuarantineCode =
  | 'BAD_BOOLEAN'
  | 'BAD_INTEGER'
  | 'BAD_JSON'
  | 'BAD_TIMESTAMP'
  | 'BAD_UUID'
  | 'BAD_VECTOR'
  | 'DUPLICATE_ID'
  | 'DUPLICATE_KEY'
  | 'EXTRA_SETTINGS'
  | 'FUTURE_TIMESTAMP'
  | 'INVALID_UTF8'
  | 'KEY_MISMATCH'
  | 'LONE_SURROGATE'
  | 'MISALIGNED_TIMESTAMP'
  | 'MISSING_ID'
  | 'NON_FINITE'
  | 'NUL_CHARACTER'
  | 'NULL_VALUE'
  | 'ORPHAN_BOOK'
  | 'ORPHAN_EVENT'
  | 'ORPHAN_EXPERIMENT'
  | 'ORPHAN_USER'
  | 'SHIFTED_COPY'
  | 'WRONG_STORAGE_CLASS';

/** What a planted record shows: the hazard's id in docs/hazards.md, its outcome there, and the record in words. */
export type Mark = readonly [id: string, outcome: Outcome, what: string];

export interface Hazard {
  /** Id of the rule in docs/hazards.md. */
  id: string;
  system: string;
  /** Table or collection; `file` for a hazard of whole files. */
  entity: string;
  /** Rowid (SQLite), array index from 0 (a JSON array), or file and place in it (a folder of files), as text. */
  locator: string;
  what: string;
  outcome: Outcome;
}

/** What `sample.json` says about the files beside it. */
export interface SampleManifest {
  seed: number;
  hazards: Hazard[];
  /** system → table or collection → records, planted ones included. */
  rows: Record<string, Record<string, number>>;
  /** system → records that the rules of docs/hazards.md send to quarantine. */
  quarantined: Record<string, number>;
}

/** What one system's writer made. */
export interface SampleSystem {
  rows: Record<string, number>;
  hazards: Hazard[];
}

const NOT_QUARANTINED: ReadonlySet<string> = new Set(['kept', 'noted', 'merged']);

export const isQuarantined = (hazard: Pick<Hazard, 'outcome'>): boolean =>
  !NOT_QUARANTINED.has(hazard.outcome);
