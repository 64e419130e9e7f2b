import { X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { parse, stringify } from "yaml";
import { GROUP_MASTERS } from "../auth/user-info.ts";
import type { CertificateAuthority, KeyPairPem } from "./certificate-authority.ts";
import { writeFileDurably } from "./write-file.ts";

const RENEW_BEFORE_MS = 90 * 86_400_000;

/** Writes (0600) a kubeconfig for the administrator; its certificate is kept while it is good for long. */
export async function writeAdminKubeconfig(
  path: string,
  server: string,
  authority: CertificateAuthority,
  nowMs: number,
): Promise<void> {
  const identity =
    (await presentIdentity(path, authority, nowMs)) ??
    (await authority.issue({ commonName: "kubernetes-admin", organizations: [GROUP_MASTERS], usage: "client" }, nowMs));
  await writeFileDurably(path, kubeconfig(server, authority.certPem, identity), 0o600);
}

/** A kubeconfig with everything in it. */
export function kubeconfig(server: string, caPem: string, identity: KeyPairPem): string {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "kedge", cluster: { server, "certificate-authority-data": base64(caPem) } }],
    users: [
      {
        name: "admin",
        user: {
          "client-certificate-data": base64(identity.certPem),
          "client-key-data": base64(identity.keyPem),
        },
      },
    ],
    contexts: [{ name: "kedge", context: { cluster: "kedge", user: "admin" } }],
    "current-context": "kedge",
  });
}

async function presentIdentity(
  path: string,
  authority: CertificateAuthority,
  nowMs: number,
): Promise<KeyPairPem | undefined> {
  if (!existsSync(path)) return undefined;
  try {
    const config = parse(await readFile(path, "utf8")) as { users?: { user?: Record<string, string> }[] };
    const { "client-certificate-data": cert = "", "client-key-data": key = "" } = config.users?.[0]?.user ?? {};
    const certPem = Buffer.from(cert, "base64").toString();
    const certificate = new X509Certificate(certPem);
    if (!certificate.verify(new X509Certificate(authority.certPem).publicKey)) return undefined;
    if (Date.parse(certificate.validTo) - nowMs < RENEW_BEFORE_MS) return undefined;
    return { certPem, keyPem: Buffer.from(key, "base64").toString() };
  } catch {
    return undefined; // damaged: write it anew
  }
}
