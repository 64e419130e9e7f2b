import { generateKeyPairSync, sign } from "node:crypto";
import { addressBytes, encodeName } from "../src/cloudhub/pki/certificate-builder.ts";
import { bitString, element, integer, oid, sequence, Tag } from "../src/cloudhub/pki/der.ts";

/** A request as PEM, as an edge's MetaServer writes it: for addresses. */
export function servingRequest(commonName: string, addresses: readonly string[]): string {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const names = sequence(...addresses.map((address) => element(0x87, addressBytes(address))));
  const extension = sequence(oid("2.5.29.17"), element(Tag.octetString, names));
  const info = sequence(
    integer(Buffer.from([0])),
    encodeName({ organization: "system:nodes", commonName }),
    publicKey.export({ type: "spki", format: "der" }),
    element(0xa0, sequence(oid("1.2.840.113549.1.9.14"), element(Tag.set, sequence(extension)))),
  );
  const der = sequence(info, sequence(oid("1.2.840.10045.4.3.2")), bitString(sign("sha256", info, privateKey)));
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
}
