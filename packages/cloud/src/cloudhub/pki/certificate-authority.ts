import { createHash, generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import { NODES_GROUP, nodeUserName } from "@kedge/protocol";
import {
  buildCertificate,
  encodeName,
  keyIdentifier,
  readPrivateKey,
  type Signer,
  signerOf,
} from "./certificate-builder.ts";
import { PkiError } from "./pki-error.ts";
import { derToPem } from "./pem.ts";
import type { SigningRequest } from "./signing-request.ts";

const DAY_MS = 24 * 60 * 60_000;
/** As KubeEdge: CA and server certificates outlive the installation. */
const CA_DAYS = 100 * 364;
/** An edge's clock may be behind ours; what we issue must be valid for it at once. */
const CLOCK_SKEW_MS = 60 * 60_000;
const CA_SERIAL = Buffer.from([0x04, 0x00]);

/** A certificate and its private key, as KubeEdge keeps them in Secrets. */
export interface DerPair {
  readonly certificate: Buffer;
  /** SEC1. */
  readonly key: Buffer;
}

/** KubeEdge's certificate authority: an EC key whose bytes also sign join tokens. */
export class CertificateAuthority {
  readonly pair: DerPair;
  readonly certificatePem: string;
  /** Lower-case hex SHA-256 of the certificate: the first part of a join token. */
  readonly hash: string;
  readonly #signer: Signer;
  readonly #certificate: X509Certificate;

  /** @throws {PkiError} `InvalidKey`, `KeyMismatch`; `where` says whose pair it is, for people. */
  constructor(pair: DerPair, where: string) {
    this.pair = pair;
    const key = readEcKey(pair.key, where);
    const certificate = readCertificate(pair.certificate, where);
    if (!certificate.checkPrivateKey(key)) throw keyMismatch(where);
    this.certificatePem = derToPem("CERTIFICATE", pair.certificate);
    this.hash = createHash("sha256").update(pair.certificate).digest("hex");
    this.#signer = signerOf(pair.certificate, key);
    this.#certificate = certificate;
  }

  static create(nowMs: number): CertificateAuthority {
    const { publicKey, key, keyDer } = newKey();
    const subject = { commonName: "KubeEdge" };
    const certificate = buildCertificate(
      {
        subject,
        publicKey,
        notBefore: new Date(nowMs - CLOCK_SKEW_MS),
        notAfter: new Date(nowMs - CLOCK_SKEW_MS + CA_DAYS * DAY_MS),
        usages: ["serverAuth", "clientAuth"],
        serial: CA_SERIAL,
        isCa: true,
      },
      { name: encodeName(subject), key, keyIdentifier: keyIdentifier(publicKey) },
    );
    return new CertificateAuthority({ certificate, key: keyDer }, "the new CA");
  }

  /**
   * A certificate for CloudCore's own servers. It is valid as long as the CA is: an edge whose clock is behind must not
   * lose us because we made a new one.
   */
  issueServer(names: ServerNames, nowMs: number): DerPair {
    const { publicKey, keyDer } = newKey();
    const certificate = buildCertificate(
      {
        subject: { organization: "KubeEdge", commonName: "KubeEdge" },
        publicKey,
        notBefore: this.#certificate.validFromDate,
        notAfter: new Date(Math.min(nowMs + CA_DAYS * DAY_MS, this.#certificate.validToDate.getTime())),
        usages: ["serverAuth"],
        ...names,
      },
      this.#signer,
    );
    return { certificate, key: keyDer };
  }

  /**
   * A node's client certificate. Of the request only the key is taken (W1): the name is what the credential allows, there
   * are no alternative names, and the only usage is to be a client.
   */
  issueEdge(node: string, request: Pick<SigningRequest, "publicKey">, days: number, nowMs: number): Buffer {
    return buildCertificate(
      {
        subject: { organization: NODES_GROUP, commonName: nodeUserName(node) },
        publicKey: request.publicKey,
        notBefore: new Date(nowMs - CLOCK_SKEW_MS),
        notAfter: new Date(nowMs + days * DAY_MS),
        usages: ["clientAuth"],
      },
      this.#signer,
    );
  }

  /** Whether the certificate bears this CA's signature; says nothing about its time or use. */
  signed(certificate: X509Certificate): boolean {
    return certificate.verify(this.#certificate.publicKey);
  }
}

/** What a server's certificate is good for. */
export interface ServerNames {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
}

function newKey(): { publicKey: Buffer; key: KeyObject; keyDer: Buffer } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  return {
    publicKey: publicKey.export({ type: "spki", format: "der" }),
    key: privateKey,
    keyDer: privateKey.export({ type: "sec1", format: "der" }),
  };
}

/** @throws {PkiError} `InvalidKey` unless it is an EC key. */
function readEcKey(der: Buffer, where: string): KeyObject {
  const key = readPrivateKey(der);
  if (key?.asymmetricKeyType === "ec") return key;
  const what = key === undefined ? "cannot be read" : `is of type ${key.asymmetricKeyType}`;
  throw new PkiError(`the private key of ${where} ${what}: an EC key (P-256) is needed`, { code: "InvalidKey", where });
}

export function readCertificate(der: Buffer, where: string): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch (cause) {
    throw new PkiError(`the certificate of ${where} cannot be read`, { code: "InvalidKey", where }, { cause });
  }
}

/** @throws {PkiError} if key and certificate are not one pair. */
export function checkPair({ certificate, key }: DerPair, where: string): void {
  const privateKey = readPrivateKey(key);
  if (privateKey === undefined)
    throw new PkiError(`the private key of ${where} cannot be read`, { code: "InvalidKey", where });
  if (!readCertificate(certificate, where).checkPrivateKey(privateKey)) throw keyMismatch(where);
}

function keyMismatch(where: string): PkiError {
  return new PkiError(`the private key of ${where} does not belong to its certificate`, { code: "KeyMismatch", where });
}
