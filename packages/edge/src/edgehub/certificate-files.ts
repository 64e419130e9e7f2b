import { createPrivateKey, X509Certificate } from "node:crypto";
import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { nodeUserName } from "@kedge/protocol";
import type { TlsIdentity } from "@kedge/transport";

export interface CertificatePaths {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** What the files hold. */
export type StoredIdentity =
  | { readonly state: "missing" | "damaged"; readonly reason: string }
  | { readonly state: "wrongNode"; readonly commonName: string }
  | {
      readonly state: "usable";
      readonly identity: TlsIdentity;
      readonly notBeforeMs: number;
      readonly notAfterMs: number;
    };

/** A pair is written beside the old one first, so that a crash never leaves a key without its certificate. */
const NEW = ".new";

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function isPair(cert: string | undefined, key: string | undefined): boolean {
  try {
    return cert !== undefined && key !== undefined && new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

function commonName({ subject }: X509Certificate): string {
  return /^CN=(.*)$/m.exec(subject)?.[1] ?? "";
}

/** Reads the files anew: a rotation, or an operator, may have replaced them. */
export function loadIdentity(paths: CertificatePaths, nodeName: string): StoredIdentity {
  if (!isPair(read(paths.certFile), read(paths.keyFile))) finishInterruptedSave(paths);
  const [ca, cert, key] = [read(paths.caFile), read(paths.certFile), read(paths.keyFile)];
  if (cert === undefined || key === undefined || ca === undefined) {
    const path = ca === undefined ? paths.caFile : cert === undefined ? paths.certFile : paths.keyFile;
    return { state: "missing", reason: `${path} cannot be read` };
  }
  if (!isPair(cert, key)) return { state: "damaged", reason: `${paths.certFile} and ${paths.keyFile} are no pair` };
  const x509 = new X509Certificate(cert);
  const name = commonName(x509);
  if (name !== nodeUserName(nodeName)) return { state: "wrongNode", commonName: name };
  return {
    state: "usable",
    identity: { ca, cert, key },
    notBeforeMs: x509.validFromDate.getTime(),
    notAfterMs: x509.validToDate.getTime(),
  };
}

function finishInterruptedSave({ certFile, keyFile }: CertificatePaths): void {
  const [newCert, newKey] = [read(certFile + NEW), read(keyFile + NEW)];
  // Either both new files are there, or the key has been moved already.
  if (isPair(newCert, newKey)) renameSync(keyFile + NEW, keyFile);
  else if (!isPair(newCert, read(keyFile))) return;
  renameSync(certFile + NEW, certFile);
}

/** Only root may read keys, whatever the umask: files 0600, folders 0700 (W11). */
function writePrivate(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const file = openSync(path, "w", 0o600);
  try {
    chmodSync(path, 0o600); // an older file may have had another mode
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

export function saveCa(paths: CertificatePaths, caPem: string): void {
  writePrivate(paths.caFile + NEW, caPem);
  renameSync(paths.caFile + NEW, paths.caFile);
}

/** Replaces certificate and key; the old pair serves until the new one is on disk. */
export function savePair({ certFile, keyFile }: CertificatePaths, pair: { cert: string; key: string }): void {
  writePrivate(keyFile + NEW, pair.key);
  writePrivate(certFile + NEW, pair.cert);
  renameSync(keyFile + NEW, keyFile);
  renameSync(certFile + NEW, certFile);
}

/** DER as PEM. */
export function certificatePem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}
