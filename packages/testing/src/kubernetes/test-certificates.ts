import "reflect-metadata"; // @peculiar/x509 needs it before it loads
import { generateKeyPairSync, webcrypto } from "node:crypto";
import {
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";

cryptoProvider.set(webcrypto as never);

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const VALID_MS = 24 * 60 * 60_000;
const CLOCK_SKEW_MS = 60 * 60_000;

export interface PemPair {
  readonly certificate: string;
  readonly key: string;
}

/** A certificate authority that lives as long as a test. */
export class TestCa {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly #name: string;
  readonly #keys: webcrypto.CryptoKeyPair;

  private constructor(name: string, keys: webcrypto.CryptoKeyPair, certificatePem: string, keyPem: string) {
    this.#name = name;
    this.#keys = keys;
    this.certificatePem = certificatePem;
    this.keyPem = keyPem;
  }

  static async create(commonName: string): Promise<TestCa> {
    const keys = await generateKeys();
    const name = `CN=${commonName}`;
    const certificate = await X509CertificateGenerator.createSelfSigned({
      ...validity(),
      serialNumber: serialNumber(),
      name,
      keys,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new BasicConstraintsExtension(true, undefined, true),
        new KeyUsagesExtension(
          KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign | KeyUsageFlags.digitalSignature,
          true,
        ),
      ],
    });
    return new TestCa(name, keys, certificate.toString("pem"), await keyPem(keys));
  }

  issueServer(commonName: string, names: readonly string[], addresses: readonly string[]): Promise<PemPair> {
    const alternatives = [
      ...names.map((value) => ({ type: "dns" as const, value })),
      ...addresses.map((value) => ({ type: "ip" as const, value })),
    ];
    return this.#issue(`CN=${commonName}`, [
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension(alternatives),
    ]);
  }

  /** @param groups become `O` of the subject, which Kubernetes reads as the user's groups. */
  issueClient(user: string, groups: readonly string[]): Promise<PemPair> {
    const subject = [...groups.map((group) => `O=${group}`), `CN=${user}`].join(", ");
    return this.#issue(subject, [new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth])]);
  }

  async #issue(
    subject: string,
    extensions: (ExtendedKeyUsageExtension | SubjectAlternativeNameExtension)[],
  ): Promise<PemPair> {
    const keys = await generateKeys();
    const certificate = await X509CertificateGenerator.create({
      ...validity(),
      serialNumber: serialNumber(),
      subject,
      issuer: this.#name,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true), ...extensions],
    });
    return { certificate: certificate.toString("pem"), key: await keyPem(keys) };
  }
}

/** An RSA pair as kube-apiserver wants it for service account tokens. */
export function serviceAccountKeys(): { readonly publicPem: string; readonly privatePem: string } {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    publicPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
    privatePem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) as Promise<webcrypto.CryptoKeyPair>;
}

async function keyPem(keys: webcrypto.CryptoKeyPair): Promise<string> {
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  return `-----BEGIN PRIVATE KEY-----\n${pkcs8.replace(/(.{64})/g, "$1\n").trim()}\n-----END PRIVATE KEY-----\n`;
}

function validity(): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() - CLOCK_SKEW_MS), notAfter: new Date(Date.now() + VALID_MS) };
}

function serialNumber(): string {
  return `00${Buffer.from(webcrypto.getRandomValues(new Uint8Array(15))).toString("hex")}`;
}
