import { type Bytes, bytesOf } from './read-ahead.ts';
import { type PageFile, PageReader } from './sqlite-pages.ts';
import { integerAt, integerSize, varint, varintEnd } from './sqlite-record.ts';

/** Kinds of b-tree pages. */
const Page = { indexInterior: 2, tableInterior: 5, indexLeaf: 10, tableLeaf: 13 } as const;

/** A walk over one b-tree. It stands on a cell, whose payload is `size` bytes at `start` of `piece` until it steps. */
abstract class Walk {
  piece: Bytes = bytesOf(0);
  start = 0;
  size = 0;

  protected readonly pages: PageReader;
  /** The page that it is on: its number, where it begins, its cells, and which of them is next. */
  protected page = 0;
  protected at = 0;
  protected cells = 0;
  protected next = 0;
  protected leaf = false;
  /** The interior pages above it, and which of their children it is in. */
  protected readonly above: { page: number; child: number }[] = [];

  #overflow: PageReader | undefined;
  #joined: Bytes = bytesOf(0);

  constructor(
    protected readonly file: PageFile,
    private readonly root: number,
    private readonly kinds: { readonly interior: number; readonly leaf: number },
    /** Of a payload that is longer than this a part lies on overflow pages. */
    protected readonly most: number,
    scattered = false,
  ) {
    this.pages = new PageReader(file, scattered);
  }

  protected toRoot(): void {
    this.above.length = 0;
    this.enter(this.root);
  }

  /** Stands before the first cell of a page. */
  protected enter(page: number): void {
    const { pages } = this;
    pages.read(page);
    const { piece } = pages;
    this.piece = piece;
    this.page = page;
    // The first page begins with the header of the file.
    this.at = pages.start + (page === 1 ? 100 : 0);
    const kind = piece.bytes[this.at]!;
    this.leaf = kind === this.kinds.leaf;
    if (!this.leaf && kind !== this.kinds.interior) {
      throw this.file.damaged(
        `page ${page} is of kind ${kind}, where the b-tree of page ${this.root} goes on`,
      );
    }
    this.cells = piece.view.getUint16(this.at + 3);
    this.next = 0;
  }

  /** Where cell `i` of the page begins. */
  protected cell(i: number): number {
    const pointers = this.at + (this.leaf ? 8 : 12);
    const base = this.page === 1 ? this.at - 100 : this.at;
    return base + this.piece.view.getUint16(pointers + 2 * i);
  }

  /** The child left of cell `i`; the last one is right of all cells. */
  protected child(i: number): number {
    const { view } = this.piece;
    return i < this.cells ? view.getUint32(this.cell(i)) : view.getUint32(this.at + 8);
  }

  protected descend(child: number): void {
    if (this.above.length > 40) throw this.file.damaged(`the b-tree of page ${this.root} has a circle`);
    this.above.push({ page: this.page, child });
    this.enter(this.child(child));
  }

  /** Down to the first leaf below. */
  protected toLeaf(): void {
    while (!this.leaf) this.descend(0);
  }

  /** Back to the page above, behind the child that is left. */
  protected ascend(): boolean {
    const up = this.above.pop();
    if (up === undefined) return false;
    this.enter(up.page);
    this.next = up.child;
    return true;
  }

  /** Leaves out cells. */
  skip(cells: number): void {
    for (let left = cells; left > 0; ) {
      // The rest of a leaf at once; the step behind it goes to the next one.
      const here = this.leaf ? Math.min(left, this.cells - this.next) : 0;
      this.next += here;
      left -= here;
      if (left > 0 && !this.step()) return;
      if (left > 0) left--;
    }
  }

  /** Steps to the next cell. */
  abstract step(): boolean;

  /** Stands on the payload that begins at `start`; one that goes on elsewhere is put together. */
  protected stand(start: number, size: number): void {
    this.start = start;
    this.size = size;
    if (size > this.most) this.#join(start, size);
  }

  #join(start: number, size: number): void {
    const { usable } = this.file;
    const least = Math.floor(((usable - 12) * 32) / 255) - 23;
    const surplus = least + ((size - least) % (usable - 4));
    const local = surplus <= this.most ? surplus : least;
    if (this.#joined.bytes.length < size) this.#joined = bytesOf(size * 2);
    const joined = this.#joined;
    const { bytes, view } = this.piece;
    bytes.copy(joined.bytes, 0, start, start + local);
    let page = view.getUint32(start + local);
    this.#overflow ??= new PageReader(this.file);
    const pages = this.#overflow;
    for (let at = local; at < size; ) {
      if (page === 0) throw this.file.damaged(`a payload on page ${this.page} ends early`);
      pages.read(page);
      const { piece } = pages;
      const from = pages.start + 4;
      at += piece.bytes.copy(joined.bytes, at, from, from + Math.min(size - at, usable - 4));
      page = piece.view.getUint32(pages.start);
    }
    this.piece = joined;
    this.start = 0;
  }
}

/** The rows of an ordinary table, by rowid. */
export class TableWalk extends Walk {
  rowid = 0;

  /** @param scattered few rows are asked for, here and there */
  constructor(file: PageFile, root: number, scattered = false) {
    super(file, root, { interior: Page.tableInterior, leaf: Page.tableLeaf }, file.usable - 35, scattered);
    this.first();
  }

  /** Before the first row. */
  first(): void {
    this.toRoot();
    this.toLeaf();
  }

  /** Steps to the next row. */
  step(): boolean {
    this.piece = this.pages.piece;
    while (this.next >= this.cells) {
      do {
        if (!this.ascend()) return false;
      } while (this.next >= this.cells);
      this.descend(this.next + 1);
      this.toLeaf();
    }
    this.#take(this.next++);
    return true;
  }

  /**
   * Goes behind the last row of the page, if it stands on the first one, and another walk on the same row of a page with
   * the same bytes: all rows of both are equal. The other goes along. A row that goes on elsewhere has to be looked at.
   */
  skipEqualPage(other: TableWalk): boolean {
    if (this.next !== 1 || other.next !== 1 || this.cells !== other.cells) return false;
    const { pages, piece, most } = this;
    // It stands on a row that was put together.
    if (piece !== pages.piece) return false;
    const { usable } = this.file;
    if (usable !== other.file.usable) return false;
    const its = other.pages.start;
    const { bytes } = piece;
    if (other.pages.piece.bytes.compare(bytes, pages.start, pages.start + usable, its, its + usable) !== 0) {
      return false;
    }
    for (let i = 0; i < this.cells; i++) if (varint(bytes, this.cell(i)) > most) return false;
    this.next = this.cells;
    other.next = other.cells;
    return true;
  }

  /** Stands on the row. @returns whether there is one */
  seek(rowid: number): boolean {
    this.piece = this.pages.piece;
    // Neighbours in an index are often neighbours in the table.
    if (this.leaf && this.next < this.cells && this.#rowidOf(this.next) === rowid) {
      this.#take(this.next++);
      return true;
    }
    this.toRoot();
    while (!this.leaf) this.descend(this.#notBefore(rowid));
    const i = this.#notBefore(rowid);
    if (i === this.cells || this.#rowidOf(i) !== rowid) return false;
    this.#take(i);
    this.next = i + 1;
    return true;
  }

  /** The first cell of the page whose rowid is not smaller. */
  #notBefore(rowid: number): number {
    let [low, high] = [0, this.cells];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#rowidOf(middle) < rowid) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #rowidOf(i: number): number {
    const { bytes } = this.piece;
    const at = this.cell(i);
    if (!this.leaf) return varint(bytes, at + 4);
    varint(bytes, at);
    return varint(bytes, varintEnd);
  }

  #take(i: number): void {
    const { bytes } = this.piece;
    const size = varint(bytes, this.cell(i));
    this.rowid = varint(bytes, varintEnd);
    this.stand(varintEnd, size);
  }
}

/** The entries of an index, in its order. */
export class IndexWalk extends Walk {
  constructor(file: PageFile, root: number) {
    const most = Math.floor(((file.usable - 12) * 64) / 255) - 23;
    super(file, root, { interior: Page.indexInterior, leaf: Page.indexLeaf }, most);
  }

  /** Of the row that the entry is about. */
  get rowid(): number {
    const { bytes, view } = this.piece;
    // It is the last field, and the type of an integer is one byte.
    const type = bytes[this.start + varint(bytes, this.start) - 1]!;
    return integerAt(view, this.start + this.size - integerSize(type), type);
  }

  step(): boolean {
    this.piece = this.pages.piece;
    // Behind an entry of an interior page comes what is right of it.
    if (!this.leaf) {
      this.descend(this.next);
      this.toLeaf();
    }
    while (this.next >= this.cells) if (!this.ascend()) return false;
    this.#take(this.next++);
    return true;
  }

  /** Goes before the first entry that does not sort before these texts. */
  seek(key: readonly Uint8Array[]): void {
    this.toRoot();
    while (!this.leaf) this.descend(this.#notBefore(key));
    this.next = this.#notBefore(key);
  }

  /** Whether the entry that it stands on begins with these texts. */
  has(key: readonly Uint8Array[]): boolean {
    return this.#compare(key) === 0;
  }

  /** The first fields of the entry that it stands on, copied; undefined where one of them is no text. */
  texts(fields: number): Buffer[] | undefined {
    const { bytes } = this.piece;
    let body = this.start + varint(bytes, this.start);
    let head = varintEnd;
    const found: Buffer[] = [];
    for (let i = 0; i < fields; i++) {
      const type = varint(bytes, head);
      head = varintEnd;
      if (type < 12 || type % 2 === 0) return undefined;
      const size = (type - 13) / 2;
      found.push(Buffer.from(bytes.subarray(body, body + size)));
      body += size;
    }
    return found;
  }

  /**
   * Goes behind the entries that begin with these texts, as the one does that it stands on, and stands on the next one.
   * @returns how many there are, and whether there is a next one
   */
  pass(key: readonly Uint8Array[]): { readonly count: number; readonly goesOn: boolean } {
    for (let count = 1; ; count++) {
      if (this.leaf && this.next < this.cells) {
        // Where the last entry of a leaf begins so, all of its entries do.
        const { next } = this;
        this.piece = this.pages.piece;
        this.#take(this.cells - 1);
        if (this.has(key)) {
          count += this.cells - next;
          this.next = this.cells;
        }
      }
      if (!this.step()) return { count, goesOn: false };
      if (!this.has(key)) return { count, goesOn: true };
    }
  }

  #notBefore(key: readonly Uint8Array[]): number {
    let [low, high] = [0, this.cells];
    while (low < high) {
      const middle = (low + high) >> 1;
      this.#take(middle);
      const order = this.#compare(key);
      this.piece = this.pages.piece;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #take(i: number): void {
    const at = this.cell(i) + (this.leaf ? 0 : 4);
    const size = varint(this.piece.bytes, at);
    this.stand(varintEnd, size);
  }

  /** Order of the entry's first fields and a key, as SQLite sorts: nothing, numbers, texts by their bytes, blobs. */
  #compare(key: readonly Uint8Array[]): number {
    const { bytes } = this.piece;
    let body = this.start + varint(bytes, this.start);
    let head = varintEnd;
    for (const text of key) {
      const type = varint(bytes, head);
      head = varintEnd;
      if (type < 12) return -1;
      if (type % 2 === 0) return 1;
      const size = (type - 13) / 2;
      const order = bytes.compare(text, 0, text.length, body, body + size);
      if (order !== 0) return order;
      body += size;
    }
    return 0;
  }
}
