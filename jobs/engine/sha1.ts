/** Words of the message schedule (FIPS 180-4, 6.1.2). */
const schedule = new Int32Array(80);

/**
 * SHA-1 (FIPS 180-4) of a short message, several times as fast as a call of the library, which costs more than to hash some
 * hundred bytes does.
 *
 * @param message with 72 bytes of room behind it, which the padding takes
 * @param size of the message, in bytes
 * @param digest gets the 20 bytes
 */
export function sha1(message: Uint8Array, size: number, digest: DataView): void {
  const w = schedule;
  const end = (size + 9 + 63) & ~63;
  message[size] = 0x80;
  for (let at = size + 1; at < end; at++) message[at] = 0;
  // A message is shorter than 2^29 bytes.
  message[end - 4] = size >>> 21;
  message[end - 3] = size >>> 13;
  message[end - 2] = size >>> 5;
  message[end - 1] = size << 3;
  let h0 = 0x67452301;
  let h1 = 0xefcdab89 | 0;
  let h2 = 0x98badcfe | 0;
  let h3 = 0x10325476;
  let h4 = 0xc3d2e1f0 | 0;
  for (let block = 0; block < end; block += 64) {
    for (let i = 0, at = block; i < 16; i++, at += 4) {
      w[i] = (message[at]! << 24) | (message[at + 1]! << 16) | (message[at + 2]! << 8) | message[at + 3]!;
    }
    for (let i = 16; i < 80; i++) {
      const x = w[i - 3]! ^ w[i - 8]! ^ w[i - 14]! ^ w[i - 16]!;
      w[i] = (x << 1) | (x >>> 31);
    }
    let a = h0;
    let b = h1;
    let c = h2;
    let d = h3;
    let e = h4;
    // Each sum is cut to 32 bits at once, or it would be one of doubles.
    for (let i = 0; i < 20; i++) {
      const next =
        (((a << 5) | (a >>> 27)) + (((((d ^ (b & (c ^ d))) + e) | 0) + ((w[i]! + 0x5a827999) | 0)) | 0)) | 0;
      e = d;
      d = c;
      c = (b << 30) | (b >>> 2);
      b = a;
      a = next;
    }
    for (let i = 20; i < 40; i++) {
      const next =
        (((a << 5) | (a >>> 27)) + (((((b ^ c ^ d) + e) | 0) + ((w[i]! + 0x6ed9eba1) | 0)) | 0)) | 0;
      e = d;
      d = c;
      c = (b << 30) | (b >>> 2);
      b = a;
      a = next;
    }
    for (let i = 40; i < 60; i++) {
      const next =
        (((a << 5) | (a >>> 27)) +
          ((((((b & c) | (d & (b | c))) + e) | 0) + ((w[i]! + -0x70e44324) | 0)) | 0)) |
        0;
      e = d;
      d = c;
      c = (b << 30) | (b >>> 2);
      b = a;
      a = next;
    }
    for (let i = 60; i < 80; i++) {
      const next =
        (((a << 5) | (a >>> 27)) + (((((b ^ c ^ d) + e) | 0) + ((w[i]! + -0x359d3e2a) | 0)) | 0)) | 0;
      e = d;
      d = c;
      c = (b << 30) | (b >>> 2);
      b = a;
      a = next;
    }
    h0 = (h0 + a) | 0;
    h1 = (h1 + b) | 0;
    h2 = (h2 + c) | 0;
    h3 = (h3 + d) | 0;
    h4 = (h4 + e) | 0;
  }
  digest.setInt32(0, h0);
  digest.setInt32(4, h1);
  digest.setInt32(8, h2);
  digest.setInt32(12, h3);
  digest.setInt32(16, h4);
}
