/** Longer texts are seldom there twice. */
export const LONGEST_KNOWN = 32;
const PLACES = 2048;

/**
 * The short texts of a file that were decoded last, by their bytes: most are there again and again, and to look at 32
 * bytes is cheaper than to decode them. Memory: 64 KB and the texts.
 */
export class KnownTexts {
  private readonly bytes = new Uint8Array(PLACES * LONGEST_KNOWN);
  private readonly lengths = new Uint8Array(PLACES);
  private readonly texts: string[] = new Array(PLACES).fill('');

  /**
   * @param start  @param end of a text of 1 to 32 bytes
   * @returns the place for that text
   */
  placeOf(of: Uint8Array, start: number, end: number): number {
    const last = end - 1;
    const length = end - start;
    // Ids and times differ towards their ends.
    let hash = Math.imul(of[last]!, 31) + of[start + (length >> 1)]!;
    hash = Math.imul(hash, 31) + of[start + ((length * 3) >> 2)]!;
    hash = Math.imul(hash, 31) + of[last - (length > 2 ? 2 : 0)]!;
    hash = Math.imul(hash, 31) + of[last - (length > 4 ? 4 : 0)]!;
    hash = Math.imul(hash, 31) + of[start]! + length;
    return (hash ^ (hash >>> 11)) & (PLACES - 1);
  }

  /** The text at that place; undefined when it is another one. */
  find(place: number, of: Uint8Array, start: number, end: number): string | undefined {
    const { bytes, lengths } = this;
    if (lengths[place] !== end - start) return undefined;
    for (let at = start, known = place * LONGEST_KNOWN; at < end; at++, known++) {
      if (bytes[known] !== of[at]) return undefined;
    }
    return this.texts[place];
  }

  keep(place: number, of: Uint8Array, start: number, end: number, text: string): void {
    const { bytes } = this;
    for (let at = start, known = place * LONGEST_KNOWN; at < end; at++, known++) bytes[known] = of[at]!;
    this.lengths[place] = end - start;
    this.texts[place] = text;
  }
}
