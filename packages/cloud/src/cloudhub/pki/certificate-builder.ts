import { createHash, createPrivateKey, type KeyObject, randomBytes, sign, X509Certificate } from "node:crypto";
import { isIPv4, isIPv6 } from "node:net";
import { bitString, element, integer, oid, readElements, readWhole, sequence, Tag, text, time } from "./der.ts";

/** What a certificate says; who signs it comes separately. */
export interface CertificateFacts {
  readonly subject: CertificateName;
  /** DER of the SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly usages: readonly ("serverAuth" | "clientAuth")[];
  /** Default: random, 63 bits. */
  readonly serial?: Uint8Array;
  readonly isCa?: boolean;
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
}

export interface CertificateName {
  readonly organization?: string;
  readonly commonName: string;
}

/** Whose signature a certificate bears: an EC key. */
export interface Signer {
  /** DER of the name. */
  readonly name: Uint8Array;
  readonly key: KeyObject;
  /** Of the signer's public key; see {@link keyIdentifier}. */
  readonly keyIdentifier: Uint8Array;
}

const OID = {
  commonName: "2.5.4.3",
  organization: "2.5.4.10",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  keyUsage: "2.5.29.15",
  extendedKeyUsage: "2.5.29.37",
  basicConstraints: "2.5.29.19",
  subjectAltName: "2.5.29.17",
  subjectKeyIdentifier: "2.5.29.14",
  authorityKeyIdentifier: "2.5.29.35",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;

const TRUE = element(Tag.boolean, Buffer.from([0xff]));

/** A signed certificate as DER. */
export function buildCertificate(facts: CertificateFacts, signer: Signer): Buffer {
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const serial = facts.serial ?? randomSerial();
  const body = sequence(
    element(0xa0, integer(Buffer.from([2]))), // version 3
    integer(serial),
    algorithm,
    signer.name,
    sequence(time(facts.notBefore), time(facts.notAfter)),
    encodeName(facts.subject),
    facts.publicKey,
    element(0xa3, sequence(...extensions(facts, signer))),
  );
  return sequence(body, algorithm, bitString(sign("sha256", body, signer.key)));
}

export function encodeName({ organization, commonName }: CertificateName): Buffer {
  const attribute = (type: string, value: string) => element(Tag.set, sequence(oid(type), text(value)));
  return sequence(
    ...(organization === undefined ? [] : [attribute(OID.organization, organization)]),
    attribute(OID.commonName, commonName),
  );
}

/** SHA-1 of the public key's bits, as RFC 5280 suggests; it only helps to find the signer. */
export function keyIdentifier(publicKeyDer: Uint8Array): Buffer {
  // An EC key's bits are the last 65 bytes of its SubjectPublicKeyInfo (P-256, uncompressed).
  return createHash("sha1").update(publicKeyDer.slice(-65)).digest();
}

function extensions(facts: CertificateFacts, signer: Signer): Buffer[] {
  const { isCa = false, usages, publicKey } = facts;
  // keyEncipherment and digitalSignature; a CA also signs certificates.
  const keyUsage = isCa ? Buffer.from([2, 0xa4]) : Buffer.from([5, 0xa0]);
  const names = alternativeNames(facts);
  return [
    extension(OID.keyUsage, true, element(Tag.bitString, keyUsage)),
    extension(OID.extendedKeyUsage, false, sequence(...usages.map((usage) => oid(OID[usage])))),
    extension(OID.basicConstraints, true, isCa ? sequence(TRUE) : sequence()),
    ...(isCa ? [extension(OID.subjectKeyIdentifier, false, element(Tag.octetString, keyIdentifier(publicKey)))] : []),
    ...(isCa ? [] : [extension(OID.authorityKeyIdentifier, false, sequence(element(0x80, signer.keyIdentifier)))]),
    ...(names.length === 0 ? [] : [extension(OID.subjectAltName, false, sequence(...names))]),
  ];
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(critical ? [TRUE] : []), element(Tag.octetString, value));
}

function alternativeNames({ dnsNames = [], ipAddresses = [] }: CertificateFacts): Buffer[] {
  return [
    ...dnsNames.map((name) => element(0x82, Buffer.from(name, "ascii"))),
    ...ipAddresses.map((address) => element(0x87, addressBytes(address))),
  ];
}

/** 4 or 16 bytes. @throws RangeError if it is no IP address. */
export function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  if (!isIPv6(address)) throw new RangeError(`${address} is not an IP address`);
  const [head = "", tail] = address.split("::");
  const groups = (part: string) => (part === "" ? [] : part.split(":"));
  const [before, after] = [groups(head), tail === undefined ? [] : groups(tail)];
  const last = after.at(-1) ?? before.at(-1) ?? "";
  if (isIPv4(last)) {
    const [a = 0, b = 0, c = 0, d = 0] = last.split(".").map(Number);
    (after.length > 0 ? after : before).splice(-1, 1, ((a << 8) | b).toString(16), ((c << 8) | d).toString(16));
  }
  const zeros = Array<string>(8 - before.length - after.length).fill("0");
  return Buffer.from([...before, ...zeros, ...after].map((group) => group.padStart(4, "0")).join(""), "hex");
}

function randomSerial(): Buffer {
  const bytes = randomBytes(8);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40; // positive, and always of the same length
  return bytes;
}

/** Who signs with this CA. */
export function signerOf(caDer: Uint8Array, key: KeyObject): Signer {
  const certificate = new X509Certificate(caDer);
  const publicKey = certificate.publicKey.export({ type: "spki", format: "der" });
  return { name: subjectOf(caDer), key, keyIdentifier: keyIdentifier(publicKey) };
}

/** The subject's DER, as it must stand as issuer, letter for letter. */
function subjectOf(certificateDer: Uint8Array): Buffer {
  const [body] = readElements(readWhole(Buffer.from(certificateDer)).content, 3);
  const subject = body === undefined ? undefined : readElements(body.content, 10)[5];
  if (subject === undefined) throw new RangeError("a certificate without subject");
  return subject.whole;
}

/** Reads an EC private key as KubeEdge stores it: SEC1 DER; PKCS #8 is read, too. */
export function readPrivateKey(der: Uint8Array): KeyObject | undefined {
  for (const type of ["sec1", "pkcs8"] as const) {
    try {
      return createPrivateKey({ key: Buffer.from(der), format: "der", type });
    } catch {
      // The other form, then.
    }
  }
  return undefined;
}
