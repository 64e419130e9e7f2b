import { PkiError } from "./pki-error.ts";

/**
 * As much of ASN.1's DER as certificates and signing requests need. A whole X.509 library costs 25 MB of memory, which is
 * more than all sessions of a small fleet.
 */

export const Tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One element: tag, length, content. */
export function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const digits = Buffer.from(length.toString(16).padStart(length > 0xffff ? 6 : length > 0xff ? 4 : 2, "0"), "hex");
  return Buffer.concat([Buffer.from([tag, 0x80 | digits.length]), digits, content]);
}

export const sequence = (...contents: readonly Uint8Array[]): Buffer => element(Tag.sequence, ...contents);

/** @param bytes big-endian and not negative. */
export function integer(bytes: Uint8Array): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const magnitude = Buffer.from(bytes.subarray(start));
  const negative = ((magnitude[0] ?? 0) & 0x80) !== 0;
  return element(Tag.integer, ...(negative ? [Buffer.from([0])] : []), magnitude);
}

export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const digits = [arc & 0x7f];
    for (let more = arc >>> 7; more > 0; more >>>= 7) digits.unshift((more & 0x7f) | 0x80);
    bytes.push(...digits);
  }
  return element(Tag.oid, Buffer.from(bytes));
}

/** All bits count. */
export const bitString = (bytes: Uint8Array): Buffer => element(Tag.bitString, Buffer.from([0]), bytes);

/** UTCTime until 2049, GeneralizedTime from then on, as X.509 wants. */
export function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]|\.\d+/g, "");
  return date.getUTCFullYear() < 2050
    ? element(Tag.utcTime, Buffer.from(digits.slice(2)))
    : element(Tag.generalizedTime, Buffer.from(digits));
}

/** PrintableString where its letters suffice, as Go writes. */
export function text(value: string): Buffer {
  const printable = /^[A-Za-z0-9 '()+,./:=?-]*$/.test(value);
  return element(printable ? Tag.printableString : Tag.utf8String, Buffer.from(value, "utf8"));
}

export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
  /** Tag, length and content: what a signature covers. */
  readonly whole: Buffer;
}

/** Reads what is in a constructed element, one after the other. @throws {PkiError} `InvalidRequest` */
export function readElements(content: Buffer, countMax: number): DerElement[] {
  const found: DerElement[] = [];
  for (let at = 0; at < content.length;) {
    const next = readElement(content, at);
    found.push(next);
    if (found.length > countMax) throw invalid();
    at += next.whole.length;
  }
  return found;
}

/** Reads one element, which must fill `bytes`. @throws {PkiError} `InvalidRequest` */
export function readWhole(bytes: Buffer): DerElement {
  const found = readElement(bytes, 0);
  if (found.whole.length !== bytes.length) throw invalid();
  return found;
}

function readElement(bytes: Buffer, at: number): DerElement {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) throw invalid();
  let length = first;
  let start = at + 2;
  if (first >= 0x80) {
    const digits = first & 0x7f;
    if (digits === 0 || digits > 4) throw invalid();
    const end = start + digits;
    if (end > bytes.length) throw invalid();
    length = bytes.readUIntBE(start, digits);
    start = end;
  }
  if (start + length > bytes.length) throw invalid();
  return { tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(at, start + length) };
}

/** The dotted form. @throws {PkiError} `InvalidRequest` */
export function readOid({ tag, content }: DerElement): string {
  const [first] = content;
  if (tag !== Tag.oid || first === undefined || content.length > OID_BYTES_MAX) throw invalid();
  const arcs = [Math.min(2, Math.floor(first / 40))];
  arcs.push(first - (arcs[0] ?? 0) * 40);
  let arc = 0;
  for (const byte of content.subarray(1)) {
    arc = arc * 128 + (byte & 0x7f);
    if (byte < 0x80) {
      arcs.push(arc);
      arc = 0;
    }
  }
  return arcs.join(".");
}

const OID_BYTES_MAX = 32;

function invalid(): PkiError {
  return new PkiError("the certificate signing request is not valid DER", { code: "InvalidRequest" });
}
