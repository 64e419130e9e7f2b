import { X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import type { CertificateAuthority, KeyPairPem } from "./certificate-authority.ts";
import { writeFileDurably } from "./write-file.ts";

const RENEW_BEFORE_MS = 30 * 86_400_000;

/** Names under which programs in the cluster know the API server. */
export const SERVER_NAMES = [
  "kubernetes",
  "kubernetes.default",
  "kubernetes.default.svc",
  "kubernetes.default.svc.cluster.local",
  "localhost",
];

/**
 * The server's certificate in `folder`; a new one if there is none, if it does not name all of `hosts`, if it is not of
 * this authority, or if it ends soon.
 */
export async function serverCertificate(
  folder: string,
  authority: CertificateAuthority,
  hosts: readonly string[],
  nowMs: number,
): Promise<KeyPairPem> {
  const certPath = join(folder, "apiserver.crt");
  const keyPath = join(folder, "apiserver.key");
  if (existsSync(certPath) && existsSync(keyPath)) {
    const pair = { certPem: await readFile(certPath, "utf8"), keyPem: await readFile(keyPath, "utf8") };
    if (serves(pair.certPem, authority, hosts, nowMs)) return pair;
  }
  const pair = await authority.issue({ commonName: "kube-apiserver", hosts, usage: "server" }, nowMs);
  await writeFileDurably(keyPath, pair.keyPem, 0o600);
  await writeFileDurably(certPath, pair.certPem, 0o644);
  return pair;
}

function serves(certPem: string, authority: CertificateAuthority, hosts: readonly string[], nowMs: number): boolean {
  try {
    const certificate = new X509Certificate(certPem);
    return (
      certificate.verify(new X509Certificate(authority.certPem).publicKey) &&
      Date.parse(certificate.validTo) - nowMs > RENEW_BEFORE_MS &&
      hosts.every((host) =>
        isIP(host) === 0 ? certificate.checkHost(host) !== undefined : certificate.checkIP(host) !== undefined,
      )
    );
  } catch {
    return false; // not readable: make a new one
  }
}
