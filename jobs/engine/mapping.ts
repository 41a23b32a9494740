import type { LeftOut } from '../sources/left-out.ts';
import type { Raw, SourceRecord } from '../sources/source.ts';
import type { MakeLane } from './lane.ts';
import type { PgType } from './pg-types.ts';
import type { WrittenRow } from './written-row.ts';

/** A deviation that a written rule allows: the value was kept or converted, and the row says so in `extra.$notes`. */
export interface Note {
  /** Hazard id, e.g. `H4`. */
  readonly rule: string;
  /** Field and place in it, e.g. `performance_metrics.sharpe_ratio`. */
  readonly path: string;
  /** What the source had, as text. */
  readonly was: string;
}

/** What a contract may ask and say while it converts one record. */
export interface RowScope {
  /** Members that are stored nowhere, at whatever depth of a document they stand. */
  readonly leftOut: LeftOut;
  /** Another field of the same record. */
  raw(field: string): Raw;
  note(rule: string, path: string, was: string): void;
  /** The last of the texts that the record's key begins with, where it is known already. */
  sorted?(): string | undefined;
  /** The key of the row that `name` names among `parents`; undefined when no such row is stored. */
  parent(parents: string, name: string): unknown;
}

/** A stored row, on its way back into the legacy form. */
export interface LegacyRow {
  /** A column as PostgreSQL writes it; null for SQL NULL. */
  text(column: string): string | null;
  /** What `extra.$notes` kept of the record. The row may have changed since, so a note counts only where it still fits. */
  readonly notes: readonly Note[];
  /** The legacy id of the row with this key (as text) among `parents`; undefined when there is none. */
  nameOf(parents: string, key: string): string | undefined;
  /** The key (as text) of the row with this legacy id. */
  keyOf(parents: string, name: string): string | undefined;
}

/**
 * The contract of one target column: where its value comes from and what is accepted.
 *
 * `convert` returns the value to write, or null, and throws `Reject` for anything that its rule does not foresee.
 */
export interface Field {
  readonly column: string;
  // biome-ignore lint/suspicious/noExplicitAny: a mapping holds fields of many types side by side
  readonly type: PgType<any>;
  /** Source field; several columns may read the same one. Absent: the value is derived from the whole record. */
  readonly from?: string | undefined;
  /** How a typed source (SQLite) stores the field: anything else is rejected as WRONG_STORAGE_CLASS. */
  readonly stored: 'text' | 'number' | 'json';
  readonly nullable: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  convert(raw: Raw, scope: RowScope): any;
  /**
   * The inverse: what the source field `from` holds for a stored row, undefined for nothing. Of columns with one source
   * field a later one counts, and objects are joined. Absent: the column says nothing that the others don't.
   */
  readonly legacy?: ((row: LegacyRow) => Raw) | undefined;
  /** What the column gets where the source field is missing, if that is not NULL; `extra.$missing` says that it was. */
  readonly missing?: unknown;
  /**
   * Of a column without an inverse, or with one that does not show all of it: SQL that holds for a row whose value an
   * export could not show. An export counts such rows as differences.
   */
  readonly notExported?: string | undefined;
  /** The value is the source's own, so both engines can compute over it; the kind of value. */
  readonly aggregate?: 'number' | 'text' | 'instant' | 'uuid' | undefined;
  /**
   * The short way for ordinary values of a typed store; absent: every row of the table goes the long way. It stands for
   * the `convert` that it names: a field that is made from another and converts otherwise doesn't inherit it.
   */
  readonly lane?: { readonly of: Field['convert']; readonly make: MakeLane } | undefined;
  /** The hazards that this field's rule answers, by id; the rules are in docs/hazards.md. */
  readonly hazards?: readonly string[];
}

/** What becomes of the second record with the same key. `first` and `second` are in source order. */
export interface DuplicateVerdict {
  readonly winner: 'first' | 'second';
  /** `merge`: it gave way, its key and raw record are kept. A reason code: it goes to quarantine. */
  readonly loser: 'merge' | { readonly quarantine: string };
  readonly rule: string;
  /** Whether what the two say is the same; default: whether their rows are, byte for byte. */
  readonly identical?: boolean;
}

export interface KeyedRow {
  readonly record: SourceRecord;
  /** Value of a target column, as the contract returned it. */
  value(column: string): unknown;
}

/** How one source entity becomes one target table. Data only: the engine carries it out. */
export interface TableMapping {
  /** Table in schema `public`. */
  readonly table: string;
  /** SQLite table or JSON collection. */
  readonly entity: string;
  /** The columns of the unique constraint that rows are recognised by; each must have an orderable type. */
  readonly key: readonly string[];
  readonly fields: readonly Field[];
  /** How the source's own engine yields the records in key order; absent: it can't, and the keys are sorted on disk. */
  readonly order?: SourceOrder;
  /**
   * Of a collection with one record a file (`records: 'document'`): the part of the file's name that begins the key, behind
   * what all rows have in common. It is of ASCII characters. Sorted by it, no keys need to be sorted on disk.
   */
  readonly fileOrder?: (file: string) => string;
  /**
   * The texts that the key of a record begins with, by that part of its file's name; absent: the table is loaded and
   * compared as a whole.
   */
  readonly fileKey?: (name: string) => readonly string[];
  /**
   * Source fields that are left out on purpose, with the reason. Never written anywhere, quarantine included; credentials
   * are left out without being named here (X10).
   */
  readonly leftOut?: Readonly<Record<string, string>>;
  /** Source fields that another table of the same entity keeps: by name, that table. */
  readonly elsewhere?: Readonly<Record<string, string>>;
  /** Another table keeps the whole of what these rows are made from, so that an export leaves them out: that table. */
  readonly repeats?: string;
  /** Column (jsonb) for unknown fields and notes. */
  readonly extra: string;
  /** Columns by whose order an export writes the records; default: the key. */
  readonly legacyOrder?: readonly string[];
  /** Default: the first wins; an identical second is merged, a differing one quarantined as DUPLICATE_KEY. */
  readonly duplicates?: (first: KeyedRow, second: KeyedRow, identical: boolean) => DuplicateVerdict;
  /** How other mappings find this one's rows: the text that names a row, and the column with its key. */
  readonly parents?: readonly {
    readonly as: string;
    readonly by: (row: (column: string) => unknown) => string;
    readonly key: string;
  }[];
  /**
   * A rule that sees the rows in order, from the first one on, made anew for each pass. It may throw `Reject`.
   * `place` gives a column's place in the row.
   */
  readonly watch?: (place: (column: string) => number) => (row: WrittenRow, scope: RowScope) => void;
  /**
   * Where `watch` looks back to: its verdict on a row follows from that row and from those whose key differs in its last
   * column alone, an integer or a time, and there is less by exactly this (a time: in microseconds). Whatever became of
   * those rows. Absent: anything before may matter, and a changed snapshot is read from its first row on.
   */
  readonly watchBack?: number;
}

/** Key order, in terms of the source. */
export interface SourceOrder {
  /**
   * The text columns that the key begins with, each with its other spellings and what they are stored as. Records come
   * series by series, so no sort of the whole table is needed: the source's index has each series in order.
   */
  readonly series?: Readonly<Record<string, ReadonlyMap<string, string>>>;
  /** Columns within a series; an expression where the column's own order is not that of what is stored. */
  readonly by: readonly (string | { readonly sql: string })[];
}

/** A number that both engines compute, each from its own data: proof (b), blind to the contracts. */
export interface EngineCheck {
  readonly name: string;
  readonly table: string;
  /** SQL for the source's engine. */
  readonly source: string;
  readonly target: string;
  /** Relative tolerance for float sums, whose value depends on row order; absent: exact. */
  readonly tolerance?: number;
}

/** What must hold in the target: its layout, not its rows. */
export interface TargetCheck {
  readonly name: string;
  readonly table: string;
  /** One text. */
  readonly sql: string;
  readonly expect: string;
}

export interface HotQuery {
  readonly name: string;
  readonly sql: string;
}

/** Everything that is particular to one legacy system. */
export interface SystemMapping {
  readonly name: string;
  readonly database: string;
  /** Prefix of the roles: `<prefix>_owner`, `<prefix>_readonly`, ... */
  readonly rolePrefix: string;
  readonly server: 'postgres' | 'timescale';
  /** Must exist in the target database. */
  readonly extensions: readonly string[];
  /** Whose legacy store it reads, when a system's data goes to more than one database; default: its own name. */
  readonly store?: string;
  /**
   * Settings of the database, by name: for every session from then on. One that the server lets nobody but a superuser set
   * is left alone, with a remark.
   */
  readonly databaseSettings?: Readonly<Record<string, string>>;
  /** Settings of the sessions that write legacy rows, by name. */
  readonly loadSettings?: Readonly<Record<string, string>>;
  /**
   * Settings of a session that builds indexes alone, by name, over those by what the server allows. Several side by side
   * share that.
   */
  readonly indexSettings?: Readonly<Record<string, string>>;
  readonly source: SourceLayout;
  /** In load order: parents before children. */
  readonly tables: readonly TableMapping[];
  readonly checks?: readonly EngineCheck[];
  readonly targetChecks?: readonly TargetCheck[];
  /** What applications ask all the time, for `measure`: reading, and without parameters. */
  readonly hotQueries?: readonly HotQuery[];
}

/** Where the legacy files of a system lie, by their own names and places. */
export type SourceLayout = SqliteLayout | JsonLayout;

export interface SqliteLayout {
  readonly kind: 'sqlite';
  /** File name of the store. */
  readonly file: string;
  /**
   * Tables that are known and are not a source, by pattern, with the reason. An export copies the ordinary ones, and makes
   * a virtual one anew, which the legacy triggers then fill.
   */
  readonly notSource?: Readonly<Record<string, string>>;
  /** Files that may lie around the store and are no source, by pattern, with the reason. */
  readonly around?: Readonly<Record<string, string>>;
}

/**
 * A folder of files. Names of files are patterns, relative to the root: `*` stands for anything within one name, `**` for
 * any number of folders, none included.
 */
export interface JsonLayout {
  readonly kind: 'json';
  /** Name of a file that a store has exactly once. Absent: a store has at least one file of any collection. */
  readonly landmark?: string;
  /** The root is the folder that holds the landmark, or the one that the user names. */
  readonly root: 'landmark' | 'named';
  /** Where the application has that folder; an export lays its files out so. */
  readonly folder: string;
  /** Patterns of the names of folders that hold copies or programs, not the store. */
  readonly skip: readonly string[];
  /** Files that hold credentials, by pattern, with the reason: neither opened nor copied. */
  readonly refused?: Readonly<Record<string, string>>;
  /** Files in or around the store that are known and are no source, by pattern, with the reason: not copied, only hashed. */
  readonly around?: Readonly<Record<string, string>>;
  readonly collections: Readonly<Record<string, CollectionLayout>>;
  /** Whose JSON it is; default: JavaScript's. Python reads and writes the tokens `NaN` and `Infinity`. */
  readonly writtenBy?: 'python' | 'javascript';
  /** A database that holds a part of the store. */
  readonly database?: LegacyDatabase;
}

/** Files, and what a record of theirs is. Every record has the field `$file`, the name of its file below the root. */
export interface CollectionLayout {
  /** Patterns; the first that any file matches counts. */
  readonly files: readonly string[];
  /**
   * The file in which the application has records that don't name theirs; `*` stands for the record's own `keyedBy`.
   * Default: the one file of the collection, where it can have only one.
   */
  readonly home?: string;
  /** Its absence is an error, not an empty collection. */
  readonly required?: boolean;
  /**
   * `elements` of the file's array (default); `members` of its object, with the key as field `$key`; the `document`
   * itself; `any` is the elements of an array and else the document, in files small enough to be read whole;
   * the `file`, whatever it holds, with the fields `$size` and `$sha256`. A file that can't be read as one document
   * is a record in quarantine, in the other cases the whole store is refused.
   */
  readonly records?: 'elements' | 'members' | 'document' | 'any' | 'file';
  /** A document without this field is an object of documents by that field: its members are the records, with `$key`. */
  readonly keyedBy?: string;
  /**
   * The records are not those but, of each, the elements of this array or the members of this object, with the fields
   * `$index` and, in an object, `$key`; fields of the record around them are `$of.NAME`.
   */
  readonly each?: string;
  /**
   * The entities are not the documents but the members of the only one, each with a `key` and a `value`; a further
   * document is quarantined under the reason code given here.
   */
  readonly partsOr?: string;
}

/**
 * Tables of a living PostgreSQL database; each becomes a file `<name>/<table>.json` of the snapshot, or one of binary form
 * (`<name>/<table>.copy`) where it has packed vectors.
 */
export interface LegacyDatabase {
  /** The user names it with `--source NAME=URL`. */
  readonly name: string;
  /** Tables in schema `public`, each with the columns that put its rows into a lasting order. */
  readonly tables: Readonly<Record<string, readonly string[]>>;
  /** By table, columns that only the contract `vector` reads: those of pgvector's type are copied as they are sent. */
  readonly vectors?: Readonly<Record<string, readonly string[]>>;
}
