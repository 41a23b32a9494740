/** A reproducible stream of random values: the same on every machine, because it uses integer arithmetic only. */
export interface Random {
  /** A double in [0, 1). */
  next(): number;
  /** An integer from `low` to `high`, both included. */
  int(low: number, high: number): number;
  pick<T>(items: readonly T[]): T;
  /** `length` characters out of 0-9a-f. */
  hex(length: number): string;
  /** `length` characters out of 0-9a-z. */
  base36(length: number): string;
  /** A version 4 UUID. */
  uuid(): string;
}

/** mulberry32 (Tommy Ettinger, public domain): 32 bits of state, period 2³². */
class Mulberry32 implements Random {
  constructor(private state: number) {}

  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let z = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  }

  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  pick<T>(items: readonly T[]): T {
    return items[this.int(0, items.length - 1)]!;
  }

  hex(length: number): string {
    return this.digits(length, 16);
  }

  base36(length: number): string {
    return this.digits(length, 36);
  }

  uuid(): string {
    const variant = this.pick(['8', '9', 'a', 'b']);
    return `${this.hex(8)}-${this.hex(4)}-4${this.hex(3)}-${variant}${this.hex(3)}-${this.hex(12)}`;
  }

  private digits(length: number, base: number): string {
    let text = '';
    while (text.length < length) text += this.int(0, base - 1).toString(base);
    return text;
  }
}

/**
 * The stream of one table, or of one record of it, so that a record does not depend on those before it.
 *
 * Streams of different indexes of a table start in different states, for any index below 2³².
 */
export function random(seed: number, table: string, index = 0): Random {
  // FNV-1a over the label; the multiplier of `index` is odd, so that no two indexes share a state.
  let hash = 0x811c9dc5;
  for (const character of `${seed}/${table}`) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  return new Mulberry32((hash + Math.imul(index, 0x9e3779b1)) | 0);
}
