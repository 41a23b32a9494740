import { closeSync, fstatSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import initialize from '@sqlite.org/sqlite-wasm';

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
const files = new Map<number, number>();
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
      closeSync(files.get(file)!);
      files.delete(file);
      return ok;
    },
    xRead: (file: number, to: number, size: number, from: bigint) => {
      let read = 0;
      const failed = attempt(() => {
        read = readSync(files.get(file)!, wasm.heap8u(), to, size, Number(from));
      }, capi.SQLITE_IOERR_READ);
      if (failed !== ok || read === size) return failed;
      wasm.heap8u().fill(0, to + read, to + size);
      return capi.SQLITE_IOERR_SHORT_READ;
    },
    xWrite: (file: number, from: number, size: number, to: bigint) =>
      attempt(() => {
        if (writeSync(files.get(file)!, wasm.heap8u(), from, size, Number(to)) !== size) throw new Error();
      }, capi.SQLITE_IOERR_WRITE),
    xTruncate: (file: number, size: bigint) =>
      attempt(() => ftruncateSync(files.get(file)!, Number(size)), capi.SQLITE_IOERR_TRUNCATE),
    xSync: () => ok,
    xFileSize: (file: number, out: number) => {
      wasm.poke64(out, BigInt(fstatSync(files.get(file)!).size));
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
        files.set(file, name === 0 ? openTemporary() : openSync(wasm.cstrToJs(name), 'r'));
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
      if (code !== 0) throw this.#error();
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
  sqlite3_column_double,
  sqlite3_column_blob,
  sqlite3_column_bytes,
} = native;

/** A prepared statement, and the row that it stands on. */
export class WasmStatement {
  readonly columns: number;

  constructor(
    private readonly statement: number,
    private readonly failure: () => Error,
  ) {
    this.columns = native.sqlite3_column_count!(statement);
  }

  /** @param index from 1 */
  bindBlob(index: number, value: Uint8Array): void {
    const copy = wasm.alloc(Math.max(1, value.length));
    wasm.heap8u().set(value, copy);
    native.sqlite3_bind_blob!(this.statement, index, copy, value.length, TRANSIENT);
    wasm.dealloc(copy);
  }

  bindInteger(index: number, value: bigint): void {
    native.sqlite3_bind_int64(this.statement, index, value);
  }

  /** False: there are no more rows. */
  step(): boolean {
    const code = sqlite3_step!(this.statement);
    if (code === ROW) return true;
    if (code === DONE) return false;
    throw this.failure();
  }

  reset(): void {
    native.sqlite3_reset!(this.statement);
  }

  kind(column: number): number {
    return sqlite3_column_type!(this.statement, column);
  }

  /** An integer beyond 2^53 loses digits. */
  double(column: number): number {
    return sqlite3_column_double!(this.statement, column);
  }

  integer(column: number): bigint {
    return native.sqlite3_column_int64(this.statement, column);
  }

  /** Where the bytes of a text or blob begin in `memory()`; of a number, those of its text. Ask `size` after it. */
  start(column: number): number {
    return sqlite3_column_blob!(this.statement, column);
  }

  size(column: number): number {
    return sqlite3_column_bytes!(this.statement, column);
  }

  /** The bytes of a text or blob; of a number, its text. */
  copy(column: number): Buffer {
    const start = this.start(column);
    return Buffer.from(memory().subarray(start, start + this.size(column)));
  }

  close(): void {
    native.sqlite3_finalize!(this.statement);
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
