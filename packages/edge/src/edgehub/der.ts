/** As much of ASN.1's DER as a certificate request needs. */

function lengthBytes(length: number): number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest >>>= 8) bytes.unshift(rest & 0xff);
  return [0x80 | bytes.length, ...bytes];
}

function tagged(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag, ...lengthBytes(content.length)]), content]);
}

export const sequence = (...contents: Uint8Array[]): Buffer => tagged(0x30, ...contents);
export const set = (...contents: Uint8Array[]): Buffer => tagged(0x31, ...contents);
/** `[0]`, constructed. */
export const context0 = (...contents: Uint8Array[]): Buffer => tagged(0xa0, ...contents);
export const smallInteger = (value: number): Buffer => tagged(0x02, Buffer.from([value]));
/** A bit string whose length is a multiple of 8. */
export const bitString = (content: Uint8Array): Buffer => tagged(0x03, Buffer.from([0]), content);
/** Letters, digits and ` '()+,-./:=?` only. */
export const printableString = (text: string): Buffer => tagged(0x13, Buffer.from(text, "ascii"));

export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift(0x80 | (left & 0x7f));
    bytes.push(...groups);
  }
  return tagged(0x06, Buffer.from(bytes));
}
