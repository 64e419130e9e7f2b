import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { NODES_GROUP, nodeUserName } from "@kedge/protocol";
import { bitString, context0, objectIdentifier, printableString, sequence, set, smallInteger } from "./der.ts";

const ECDSA_WITH_SHA256 = objectIdentifier("1.2.840.10045.4.3.2");

/** The subject that KubeEdge's edges ask for, in the order in which they write it. */
function subject(nodeName: string): Buffer {
  const parts = [
    ["2.5.4.6", "CN"],
    ["2.5.4.8", "Zhejiang"],
    ["2.5.4.7", "Hangzhou"],
    ["2.5.4.10", NODES_GROUP],
    ["2.5.4.3", nodeUserName(nodeName)],
  ] as const;
  return sequence(...parts.map(([type, value]) => set(sequence(objectIdentifier(type), printableString(value)))));
}

export interface CertificateRequest {
  readonly privateKey: KeyObject;
  /** PKCS #10, DER. */
  readonly csr: Buffer;
}

/** A new P-256 key, and the request to certify it for this node. @see `cloud-edge-protocol` §2.3 */
export function newCertificateRequest(nodeName: string): CertificateRequest {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const info = sequence(
    smallInteger(0),
    subject(nodeName),
    publicKey.export({ type: "spki", format: "der" }),
    context0(),
  );
  const signature = sign("sha256", info, { key: privateKey, dsaEncoding: "der" });
  return { privateKey, csr: sequence(info, sequence(ECDSA_WITH_SHA256), bitString(signature)) };
}
