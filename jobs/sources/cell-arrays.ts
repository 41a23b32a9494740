import type { Cells } from './source.ts';

/** Memory for the cells of a row, which those of the next one overwrite. */
export abstract class CellArrays implements Cells {
  bytes: Buffer = Buffer.alloc(0);
  view: DataView = new DataView(new ArrayBuffer(0));
  readonly kinds: Uint8Array;
  readonly numbers: Float64Array;
  readonly starts: Uint32Array;
  readonly sizes: Uint32Array;

  constructor(columns: number) {
    this.kinds = new Uint8Array(columns);
    this.numbers = new Float64Array(columns);
    this.starts = new Uint32Array(columns);
    this.sizes = new Uint32Array(columns);
  }
}
