import { type DerElement, readElements, readOid, readWhole, Tag } from "./der.ts";

/** The other names that a request for a certificate asks for. */
export interface AlternativeNames {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  /** Of kinds that nobody here allows: mail addresses, URIs, … */
  readonly others: number;
}

const EXTENSION_REQUEST = "1.2.840.113549.1.9.14";
const SUBJECT_ALTERNATIVE_NAME = "2.5.29.17";
const TAG_DNS = 0x82;
const TAG_ADDRESS = 0x87;
/** Attributes, extensions and names that a request may carry, of each kind. */
const REQUESTED_MAX = 64;

/** @param attributes of a PKCS #10 request, `[0]`. @throws {PkiError} `InvalidRequest` */
export function readRequestedNames(attributes: DerElement | undefined): AlternativeNames {
  const names: DerElement[] = [];
  for (const attribute of attributes === undefined ? [] : readElements(attributes.content, REQUESTED_MAX)) {
    const [type, values] = readElements(attribute.content, 2);
    if (type?.tag !== Tag.oid || values === undefined || readOid(type) !== EXTENSION_REQUEST) continue;
    for (const list of readElements(values.content, REQUESTED_MAX))
      for (const extension of readElements(list.content, REQUESTED_MAX)) names.push(...namesIn(extension));
  }
  const dnsNames = names.filter(({ tag }) => tag === TAG_DNS).map(({ content }) => content.toString("latin1"));
  const addresses = names.filter(({ tag }) => tag === TAG_ADDRESS).map(({ content }) => addressText(content));
  const ipAddresses = addresses.filter((address) => address !== undefined);
  return { dnsNames, ipAddresses, others: names.length - dnsNames.length - ipAddresses.length };
}

function namesIn(extension: DerElement): DerElement[] {
  const parts = readElements(extension.content, 3);
  const [id] = parts;
  const value = parts.at(-1);
  if (id?.tag !== Tag.oid || value === undefined || readOid(id) !== SUBJECT_ALTERNATIVE_NAME) return [];
  return readElements(readWhole(value.content).content, REQUESTED_MAX);
}

function addressText(bytes: Buffer): string | undefined {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) return undefined;
  return Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16)).join(":");
}
