import { closeSync, fstatSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import initialize from '@sqlite.org/sqlite-wasm';
import { ReadAhead } from './read-ahead.ts';
import { CellKind, type Cells } from './source.ts';

/**
 * SQLite's own engine, compiled to WebAssembly: what a row holds is read from its memory, where the driver would make a
 * JavaScript value of each column.
 */
const sqlite3 = (await initialize()) as unknown as Sqlite3;
const { capi, wasm } = sqlite3;

/** Functions of the C interface without conversion of arguments, which costs more than most of them. */
type Native = (...args: number[]) => number;
const native = wasm.exports;

/** A C struct in SQLite's memory; its members are named with a `$`. */
interface Struct {
  readonly pointer: number;
  $iVersion: number;
  $szOsFile: number;
  $mxPathname: number;
  $zName: number;
  $xRandomness: number;
  $xSleep: number;
  $pMethods: number;
}
type StructOf = (new (at?: number) => Struct) & { readonly structInfo: { readonly sizeof: number } };

type Code =
  | 'SQLITE_CANTOPEN'
  | 'SQLITE_IOERR_DELETE'
  | 'SQLITE_IOERR_READ'
  | 'SQLITE_IOERR_SHORT_READ'
  | 'SQLITE_IOERR_TRUNCATE'
  | 'SQLITE_IOERR_WRITE'
  | 'SQLITE_NOTFOUND'
  | 'SQLITE_OPEN_READONLY';

/** The part of the package that its own types leave out or describe for its conversions only. */
interface Sqlite3 {
  readonly capi: Readonly<Record<'sqlite3_vfs' | 'sqlite3_io_methods' | 'sqlite3_file', StructOf>> &
    Readonly<Record<Code, number>> & { sqlite3_vfs_find(name: null): number };
  readonly vfs: { installVfs(methods: Record<'io' | 'vfs', { struct: Struct; methods: object }>): void };
  readonly wasm: {
    readonly exports: Readonly<Record<string, Native>> & {
      readonly sqlite3_column_int64: (statement: number, column: number) => bigint;
      readonly sqlite3_bind_int64: (statement: number, index: number, value: bigint) => number;
    };
    alloc(size: number): number;
    allocCString(text: string): number;
    dealloc(at: number): void;
    cstrToJs(at: number): string;
    /** @returns how many bytes, the NUL included; -1 when they don't fit */
    cstrncpy(to: number, from: number, size: number): number;
    peekPtr(at: number): number;
    poke32(at: number, value: number): void;
    poke64(at: number, value: bigint): void;
    poke64f(at: number, value: number): void;
    heap8u(): Uint8Array;
  };
}

const VFS = 'node-files';
/** Chunks of each file that are kept. */
const CHUNKS = 32;
/** Open files, by where SQLite has their structs; only a named one is read ahead, as nobody writes to it. */
const files = new Map<number, { readonly fd: number; readonly ahead?: ReadAhead }>();
let temporary = 0;
installFiles();

/** Files by Node's own calls: a named one for reading only, and unnamed ones for what SQLite sorts. */
function installFiles(): void {
  const standard = new capi.sqlite3_vfs(capi.sqlite3_vfs_find(null));
  const vfs = new capi.sqlite3_vfs();
  const methods = new capi.sqlite3_io_methods();
  methods.$iVersion = 1;
  vfs.$iVersion = 1;
  vfs.$szOsFile = capi.sqlite3_file.structInfo.sizeof;
  vfs.$mxPathname = 4096;
  vfs.$zName = wasm.allocCString(VFS);
  vfs.$xRandomness = standard.$xRandomness;
  vfs.$xSleep = standard.$xSleep;
  const ok = 0;
  const attempt = (work: () => void, failed: number): number => {
    try {
      work();
      return ok;
    } catch {
      return failed;
    }
  };
  const io = {
    xClose: (file: number) => {
      closeSync(files.get(file)!.fd);
      files.delete(file);
      return ok;
    },
    xRead: (file: number, to: number, size: number, from: bigint) => {
      let read = 0;
      const failed = attempt(() => {
        const { fd, ahead } = files.get(file)!;
        const heap = memory();
        read = ahead ? ahead.read(heap, to, size, Number(from)) : readSync(fd, heap, to, size, Number(from));
      }, capi.SQLITE_IOERR_READ);
      if (failed !== ok || read === size) return failed;
      wasm.heap8u().fill(0, to + read, to + size);
      return capi.SQLITE_IOERR_SHORT_READ;
    },
    xWrite: (file: number, from: number, size: number, to: bigint) =>
      attempt(() => {
        if (writeSync(files.get(file)!.fd, wasm.heap8u(), from, size, Number(to)) !== size) throw new Error();
      }, capi.SQLITE_IOERR_WRITE),
    xTruncate: (file: number, size: bigint) =>
      attempt(() => ftruncateSync(files.get(file)!.fd, Number(size)), capi.SQLITE_IOERR_TRUNCATE),
    xSync: () => ok,
    xFileSize: (file: number, out: number) => {
      wasm.poke64(out, BigInt(fstatSync(files.get(file)!.fd).size));
      return ok;
    },
    // Nobody else has a snapshot open for writing.
    xLock: () => ok,
    xUnlock: () => ok,
    xCheckReservedLock: (_file: number, out: number) => {
      wasm.poke32(out, 0);
      return ok;
    },
    xFileControl: () => capi.SQLITE_NOTFOUND,
    xSectorSize: () => 4096,
    xDeviceCharacteristics: () => 0,
  };
  const system = {
    xOpen: (_vfs: number, name: number, file: number, flags: number, out: number) =>
      attempt(() => {
        const fd = name === 0 ? openTemporary() : openSync(wasm.cstrToJs(name), 'r');
        files.set(file, name === 0 ? { fd } : { fd, ahead: new ReadAhead(fd, CHUNKS) });
        new capi.sqlite3_file(file).$pMethods = methods.pointer;
        if (out !== 0) wasm.poke32(out, flags);
      }, capi.SQLITE_CANTOPEN),
    xDelete: () => capi.SQLITE_IOERR_DELETE,
    // Neither a journal nor a log lies beside a snapshot.
    xAccess: (_vfs: number, _name: number, _flags: number, out: number) => {
      wasm.poke32(out, 0);
      return ok;
    },
    xFullPathname: (_vfs: number, name: number, size: number, out: number) =>
      wasm.cstrncpy(out, name, size) < 0 ? capi.SQLITE_CANTOPEN : ok,
    xGetLastError: () => ok,
    xCurrentTime: (_vfs: number, out: number) => {
      wasm.poke64f(out, 2440587.5 + Date.now() / 86_400_000);
      return ok;
    },
  };
  sqlite3.vfs.installVfs({
    io: { struct: methods, methods: io },
    vfs: { struct: vfs, methods: system },
  });
}

/** A file without a name: it goes with its descriptor. */
function openTemporary(): number {
  const path = join(tmpdir(), `cutover-sqlite-${process.pid}-${process.hrtime.bigint()}-${temporary++}`);
  const fd = openSync(path, 'wx+', 0o600);
  rmSync(path);
  return fd;
}

const ROW = 100;
const DONE = 101;
/** SQLite copies what is bound. */
const TRANSIENT = -1;

/** A database file, opened for reading only. */
export class WasmDatabase {
  readonly #db: number;

  /** @throws Error with SQLite's own message */
  constructor(file: string) {
    const [name, vfs, out] = [wasm.allocCString(file), wasm.allocCString(VFS), wasm.alloc(8)];
    try {
      const code = native.sqlite3_open_v2!(name, out, capi.SQLITE_OPEN_READONLY, vfs);
      this.#db = wasm.peekPtr(out);
      if (code !== 0) {
        const error = this.#error();
        this.close();
        throw error;
      }
    } finally {
      for (const each of [name, vfs, out]) wasm.dealloc(each);
    }
    // What doesn't fit into the cache is sorted in files.
    for (const pragma of ['temp_store = file', 'cache_size = -8192']) {
      const statement = this.prepare(`pragma ${pragma}`);
      statement.step();
      statement.close();
    }
  }

  prepare(sql: string): WasmStatement {
    const [text, out] = [wasm.allocCString(sql), wasm.alloc(8)];
    try {
      if (native.sqlite3_prepare_v2!(this.#db, text, -1, out, 0) !== 0) throw this.#error();
      return new WasmStatement(wasm.peekPtr(out), () => this.#error());
    } finally {
      wasm.dealloc(text);
      wasm.dealloc(out);
    }
  }

  #error(): Error {
    return new Error(wasm.cstrToJs(native.sqlite3_errmsg!(this.#db)));
  }

  close(): void {
    native.sqlite3_close_v2!(this.#db);
  }
}

const {
  sqlite3_step,
  sqlite3_column_type,
  sqlite3_column_value,
  sqlite3_column_double,
  sqlite3_column_blob,
  sqlite3_column_bytes,
} = native;

/** A prepared statement, and the row that it stands on. */
export class WasmStatement {
  constructor(
    readonly pointer: number,
    private readonly failure: () => Error,
  ) {}

  /** @param index from 1 */
  bindBlob(index: number, value: Uint8Array): void {
    const copy = wasm.alloc(Math.max(1, value.length));
    wasm.heap8u().set(value, copy);
    native.sqlite3_bind_blob!(this.pointer, index, copy, value.length, TRANSIENT);
    wasm.dealloc(copy);
  }

  bindInteger(index: number, value: bigint): void {
    native.sqlite3_bind_int64(this.pointer, index, value);
  }

  /**
   * Of the columns from `first` on, kind, number, and place and size of a text or blob: from SQLite's own struct of each
   * value, for one call instead of three a column.
   */
  read(first: number, { kinds, numbers, starts, sizes }: Omit<Cells, 'bytes' | 'view'>): void {
    const at = sqlite3_column_value!(this.pointer, first);
    const heap = heapView();
    for (let i = 0; i < kinds.length; i++) {
      const value = at + i * Mem.size;
      const type = heap.getUint16(value + Mem.flags, true) & Mem.types;
      if (type === Mem.real) {
        kinds[i] = CellKind.real;
        numbers[i] = heap.getFloat64(value, true);
      } else if (type === Mem.text) {
        kinds[i] = CellKind.text;
        starts[i] = heap.getUint32(value + Mem.start, true);
        sizes[i] = heap.getUint32(value + Mem.length, true);
      } else if (type === Mem.integer) {
        kinds[i] = CellKind.integer;
        numbers[i] = heap.getInt32(value + 4, true) * 0x1_0000_0000 + heap.getUint32(value, true);
      } else if (type === Mem.null) {
        kinds[i] = CellKind.null;
      } else {
        const kind = this.kind(first + i);
        kinds[i] = kind;
        if (kind <= CellKind.real) numbers[i] = this.double(first + i);
        else if (kind !== CellKind.null) {
          starts[i] = this.start(first + i);
          sizes[i] = this.size(first + i);
        }
      }
    }
  }

  /** False: there are no more rows. */
  step(): boolean {
    const code = sqlite3_step!(this.pointer);
    if (code === ROW) return true;
    if (code === DONE) return false;
    throw this.failure();
  }

  reset(): void {
    native.sqlite3_reset!(this.pointer);
  }

  kind(column: number): number {
    return sqlite3_column_type!(this.pointer, column);
  }

  /** An integer beyond 2^53 loses digits. */
  double(column: number): number {
    return sqlite3_column_double!(this.pointer, column);
  }

  integer(column: number): bigint {
    return native.sqlite3_column_int64(this.pointer, column);
  }

  /** Where the bytes of a text or blob begin in `memory()`; of a number, those of its text. Ask `size` after it. */
  start(column: number): number {
    return sqlite3_column_blob!(this.pointer, column);
  }

  size(column: number): number {
    return sqlite3_column_bytes!(this.pointer, column);
  }

  /** The bytes of a text or blob; of a number, its text. */
  copy(column: number): Buffer {
    const start = this.start(column);
    return Buffer.from(memory().subarray(start, start + this.size(column)));
  }

  close(): void {
    native.sqlite3_finalize!(this.pointer);
  }
}

let view: Buffer = Buffer.alloc(0);

/** SQLite's memory. It may be another object after any step: the old one ends when the memory grows. */
export function memory(): Buffer {
  // The buffer of a memory that has grown is detached, and so without a byte.
  if (view.length === 0) {
    const heap = wasm.heap8u();
    view = Buffer.from(heap.buffer, heap.byteOffset, heap.byteLength);
  }
  return view;
}

let numbersOfHeap: DataView = new DataView(new ArrayBuffer(0));

/** The same as numbers. */
export function heapView(): DataView {
  const { buffer } = memory();
  if (numbersOfHeap.buffer !== buffer) numbersOfHeap = new DataView(buffer);
  return numbersOfHeap;
}

/**
 * Where the parts of SQLite's `sqlite3_value` are, and its flags. Source: `struct sqlite3_value` and `MEM_*` in
 * src/vdbeInt.h of SQLite 3.50; a unit test holds every kind of value against the public functions.
 */
const Mem = {
  start: 8,
  length: 12,
  flags: 16,
  size: sizeOfValue(),
  types: 0x3f,
  null: 0x01,
  text: 0x02,
  integer: 0x04,
  real: 0x08,
} as const;

/** The values of a row lie one behind the other. */
function sizeOfValue(): number {
  const database = new WasmDatabase(':memory:');
  const statement = database.prepare('select 1, 2');
  statement.step();
  const [one, two] = [0, 1].map((column) => sqlite3_column_value!(statement.pointer, column)) as [
    number,
    number,
  ];
  statement.close();
  database.close();
  return two - one;
}
