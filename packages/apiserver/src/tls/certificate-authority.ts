import "reflect-metadata"; // @peculiar/x509 needs it before it loads
import { randomBytes, webcrypto } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import { CodedError } from "@kedge/runtime";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  type Extension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonName,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { writeFileDurably } from "./write-file.ts";

const KEY_ALGORITHM = { name: "ECDSA", namedCurve: "P-256" };
const SIGNING_ALGORITHM = { name: "ECDSA", hash: "SHA-256" };
const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
export const CERTIFICATE_DAYS = 365;
/** Clocks of client and server differ. */
const BACKDATE_MS = 300_000;

/** A certificate and its private key, both PEM. */
export interface KeyPairPem {
  readonly certPem: string;
  readonly keyPem: string;
}

export interface CertificateRequest {
  readonly commonName: string;
  /** A user's groups. */
  readonly organizations?: readonly string[];
  /** A server's names and addresses. */
  readonly hosts?: readonly string[];
  readonly usage: "client" | "server";
}

export class CertificateError extends CodedError<{ readonly code: "BadAuthority"; readonly path: string }> {}

cryptoProvider.set(webcrypto as Crypto);

/** Signs certificates for the API server and for those who use it. Its key never leaves the state folder. */
export class CertificateAuthority {
  readonly certPem: string;
  readonly #certificate: X509Certificate;
  readonly #key: CryptoKey;

  private constructor(certificate: X509Certificate, certPem: string, key: CryptoKey) {
    this.#certificate = certificate;
    this.certPem = certPem;
    this.#key = key;
  }

  /**
   * The authority in `folder`, made if there is none: `ca.crt`, `ca.key` (0600).
   *
   * @throws {CertificateError} one of the files is missing or cannot be read: never replaced, all certificates hang on it.
   */
  static async open(folder: string, nowMs: number): Promise<CertificateAuthority> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const certPath = join(folder, "ca.crt");
    const keyPath = join(folder, "ca.key");
    if (!existsSync(certPath) && !existsSync(keyPath)) {
      const made = await createAuthority(nowMs);
      await writeFileDurably(keyPath, made.keyPem, 0o600);
      await writeFileDurably(certPath, made.certPem, 0o644);
    } else if (!existsSync(certPath)) {
      // Stopped between the two files: the key has signed nothing yet.
      await writeFileDurably(
        certPath,
        await selfSign(await importKey(await readFile(keyPath, "utf8"), keyPath), nowMs),
        0o644,
      );
    }
    try {
      const certPem = await readFile(certPath, "utf8");
      const key = await importKey(await readFile(keyPath, "utf8"), keyPath);
      return new CertificateAuthority(new X509Certificate(certPem), certPem, key.privateKey);
    } catch (error) {
      if (error instanceof CertificateError) throw error;
      throw new CertificateError(
        `the certificate authority in ${folder} cannot be read: restore ca.crt and ca.key from a backup`,
        { code: "BadAuthority", path: folder },
        { cause: error },
      );
    }
  }

  async issue(request: CertificateRequest, nowMs: number): Promise<KeyPairPem> {
    const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
    const { commonName, organizations = [], hosts = [], usage } = request;
    const subject: JsonName = [...organizations.map((organization) => ({ O: [organization] })), { CN: [commonName] }];
    const extensions: Extension[] = [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([usage === "client" ? ExtendedKeyUsage.clientAuth : ExtendedKeyUsage.serverAuth]),
      await AuthorityKeyIdentifierExtension.create(this.#certificate, false),
    ];
    if (hosts.length > 0)
      extensions.push(
        new SubjectAlternativeNameExtension(
          hosts.map((value) => ({ type: isIP(value) === 0 ? ("dns" as const) : ("ip" as const), value })),
        ),
      );
    const certificate = await X509CertificateGenerator.create({
      serialNumber: serialNumber(),
      subject: new Name(subject).toJSON(),
      issuer: this.#certificate.subjectName.toJSON(),
      notBefore: new Date(nowMs - BACKDATE_MS),
      notAfter: new Date(nowMs + CERTIFICATE_DAYS * DAY_MS),
      signingAlgorithm: SIGNING_ALGORITHM,
      publicKey: keys.publicKey as CryptoKey,
      signingKey: this.#key,
      extensions,
    });
    return { certPem: certificate.toString("pem") + "\n", keyPem: await exportKey(keys.privateKey as CryptoKey) };
  }
}

async function createAuthority(nowMs: number): Promise<KeyPairPem> {
  const keys = (await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"])) as webcrypto.CryptoKeyPair;
  return { certPem: await selfSign(keys, nowMs), keyPem: await exportKey(keys.privateKey) };
}

async function selfSign(keys: webcrypto.CryptoKeyPair, nowMs: number): Promise<string> {
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: ["kedge-ca"] }],
    notBefore: new Date(nowMs - BACKDATE_MS),
    notAfter: new Date(nowMs + CA_DAYS * DAY_MS),
    signingAlgorithm: SIGNING_ALGORITHM,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign | KeyUsageFlags.digitalSignature, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return certificate.toString("pem") + "\n";
}

/** Positive, and not to be guessed. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}

export async function exportKey(key: CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;
}

/** Both halves of a P-256 key from its PKCS #8 PEM. */
async function importKey(pem: string, path: string): Promise<webcrypto.CryptoKeyPair> {
  try {
    const der = PemConverter.decodeFirst(pem);
    const privateKey = await webcrypto.subtle.importKey("pkcs8", der, KEY_ALGORITHM, true, ["sign"]);
    const { d: _d, key_ops: _ops, ...publicJwk } = await webcrypto.subtle.exportKey("jwk", privateKey);
    const publicKey = await webcrypto.subtle.importKey("jwk", publicJwk, KEY_ALGORITHM, true, ["verify"]);
    return { privateKey: privateKey as CryptoKey, publicKey: publicKey as CryptoKey };
  } catch (error) {
    throw new CertificateError(
      `the private key ${path} cannot be read: restore it from a backup`,
      { code: "BadAuthority", path },
      { cause: error },
    );
  }
}
