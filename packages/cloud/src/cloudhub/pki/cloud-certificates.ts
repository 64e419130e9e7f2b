import { readFile } from "node:fs/promises";
import { createPrivateKey, type X509Certificate } from "node:crypto";
import { NAMESPACES, type Secret, SECRETS } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { type Clock, hasCode, type Logger } from "@kedge/runtime";
import type { TlsIdentity } from "@kedge/transport";
import { addressBytes } from "./certificate-builder.ts";
import {
  CertificateAuthority,
  checkPair,
  type DerPair,
  readCertificate,
  type ServerNames,
} from "./certificate-authority.ts";
import { derToPem, pemToDer } from "./pem.ts";
import { PkiError } from "./pki-error.ts";

/** Where KubeEdge keeps what CloudCore must not lose. */
export const KUBEEDGE_NAMESPACE = "kubeedge";
export const CA_SECRET = { name: "casecret", certificate: "cadata", key: "cakeydata" } as const;
export const SERVER_SECRET = {
  name: "cloudcoresecret",
  certificate: "cloudcoredata",
  key: "cloudcorekeydata",
} as const;

export interface CertificateFiles {
  readonly tlsCAFile: string;
  readonly tlsCAKeyFile: string;
  readonly tlsCertFile: string;
  readonly tlsPrivateKeyFile: string;
}

export interface CloudCertificates {
  readonly ca: CertificateAuthority;
  readonly server: TlsIdentity;
}

interface Deps {
  readonly kube: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * CA and server certificate: local files first, then the Secret, else made anew; what is used is written back to the
 * Secret. A server certificate that was made here is made again when the addresses that it must hold have changed.
 *
 * @throws {PkiError} for half a pair, a key that does not fit, or another key than EC.
 */
export async function loadCloudCertificates(
  files: CertificateFiles,
  names: ServerNames,
  deps: Deps,
  signal: AbortSignal,
): Promise<CloudCertificates> {
  await ensureNamespace(deps.kube, signal);
  const ca = await loadCa(files, deps, signal);
  const server = await loadServer(files, ca, names, deps, signal);
  return {
    ca,
    server: {
      cert: derToPem("CERTIFICATE", server.certificate),
      key: derToPem("EC PRIVATE KEY", server.key),
      ca: ca.certificatePem,
    },
  };
}

async function ensureNamespace(kube: KubeClient, signal: AbortSignal): Promise<void> {
  try {
    await kube.create(NAMESPACES, { metadata: { name: KUBEEDGE_NAMESPACE } }, signal);
  } catch (error) {
    if (!hasCode(error, "AlreadyExists")) throw error;
  }
}

async function loadCa(files: CertificateFiles, deps: Deps, signal: AbortSignal): Promise<CertificateAuthority> {
  const local = await readPairFiles(files.tlsCAFile, files.tlsCAKeyFile);
  if (local !== undefined) {
    const ca = new CertificateAuthority(local, `${files.tlsCAFile} and ${files.tlsCAKeyFile}`);
    await savePair(CA_SECRET, local, deps, signal);
    return ca;
  }
  const where = `Secret ${KUBEEDGE_NAMESPACE}/${CA_SECRET.name}`;
  const stored = await readPairSecret(CA_SECRET, deps.kube, signal);
  if (stored !== undefined) return new CertificateAuthority(stored, where);
  const ca = CertificateAuthority.create(deps.clock.now());
  // Another instance may make one in this very moment: the first that is stored is the CA.
  if (await createPair(CA_SECRET, ca.pair, deps.kube, signal)) {
    deps.logger.info({ secret: CA_SECRET.name }, "made a new CA");
    return ca;
  }
  const theirs = await readPairSecret(CA_SECRET, deps.kube, signal);
  return theirs === undefined ? ca : new CertificateAuthority(theirs, where);
}

async function loadServer(
  files: CertificateFiles,
  ca: CertificateAuthority,
  names: ServerNames,
  deps: Deps,
  signal: AbortSignal,
): Promise<DerPair> {
  const local = await readPairFiles(files.tlsCertFile, files.tlsPrivateKeyFile);
  if (local !== undefined) {
    checkPair(local, `${files.tlsCertFile} and ${files.tlsPrivateKeyFile}`);
    await savePair(SERVER_SECRET, local, deps, signal);
    return local;
  }
  const stored = await readPairSecret(SERVER_SECRET, deps.kube, signal);
  const reason = stored === undefined ? "there was none" : whyReissue(stored, ca, names, deps.clock.now());
  if (stored !== undefined && reason === undefined) return stored;
  deps.logger.info({ reason, ...names }, "made a new server certificate");
  const issued = ca.issueServer(names, deps.clock.now());
  await savePair(SERVER_SECRET, issued, deps, signal);
  return issued;
}

/** Why the stored server certificate does not do any more; `undefined`: it does. */
function whyReissue(pair: DerPair, ca: CertificateAuthority, names: ServerNames, nowMs: number): string | undefined {
  const where = `Secret ${KUBEEDGE_NAMESPACE}/${SERVER_SECRET.name}`;
  let certificate: X509Certificate;
  try {
    certificate = readCertificate(pair.certificate, where);
    checkPair(pair, where);
  } catch (error) {
    if (error instanceof PkiError) return error.message;
    throw error;
  }
  if (!ca.signed(certificate)) return "another CA signed it";
  if (certificate.validToDate.getTime() <= nowMs) return "it expired";
  const missing = [
    ...names.ipAddresses.filter((address) => !hasAddress(certificate, address)),
    ...names.dnsNames.filter((name) => certificate.checkHost(name, { subject: "never" }) === undefined),
  ];
  return missing.length === 0 ? undefined : `it does not name ${missing.join(", ")}`;
}

function hasAddress(certificate: X509Certificate, address: string): boolean {
  if (certificate.checkIP(address) !== undefined) return true;
  // Node compares text: an IPv6 address may be written in another way.
  const bytes = addressBytes(address);
  return (certificate.subjectAltName ?? "")
    .split(", ")
    .filter((name) => name.startsWith("IP Address:"))
    .some((name) => addressBytes(name.slice("IP Address:".length)).equals(bytes));
}

/** @returns `undefined` if neither file is there. @throws {PkiError} `HalfPair` */
async function readPairFiles(certificateFile: string, keyFile: string): Promise<DerPair | undefined> {
  const [certificatePem, keyPem] = [await readIfThere(certificateFile), await readIfThere(keyFile)];
  if (certificatePem === undefined && keyPem === undefined) return undefined;
  if (certificatePem === undefined || keyPem === undefined) {
    const [present, missing] = keyPem === undefined ? [certificateFile, keyFile] : [keyFile, certificateFile];
    throw new PkiError(`${present} is there but ${missing} is not: both are needed, or neither`, {
      code: "HalfPair",
      present,
      missing,
    });
  }
  const certificate = pemToDer(certificatePem, /CERTIFICATE/);
  if (certificate === undefined)
    throw new PkiError(`${certificateFile} holds no PEM certificate`, { code: "InvalidKey", where: certificateFile });
  return { certificate, key: readKeyPem(keyPem, keyFile) };
}

function readKeyPem(pem: string, file: string): Buffer {
  try {
    const key = createPrivateKey(pem);
    // KubeEdge stores and signs with SEC1; other keys are refused later, where it is known what they are for.
    return key.asymmetricKeyType === "ec"
      ? key.export({ type: "sec1", format: "der" })
      : key.export({ type: "pkcs8", format: "der" });
  } catch (cause) {
    throw new PkiError(`${file} holds no PEM private key`, { code: "InvalidKey", where: file }, { cause });
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  if (file === "") return undefined;
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

type PairSecret = typeof CA_SECRET | typeof SERVER_SECRET;

/** @returns `undefined` if there is no such Secret. @throws {PkiError} `HalfPair` */
async function readPairSecret(
  { name, certificate, key }: PairSecret,
  kube: KubeClient,
  signal: AbortSignal,
): Promise<DerPair | undefined> {
  let secret: Secret;
  try {
    secret = await kube.get(SECRETS, { namespace: KUBEEDGE_NAMESPACE, name }, signal);
  } catch (error) {
    if (hasCode(error, "NotFound")) return undefined;
    throw error;
  }
  const [certificateData, keyData] = [secret.data?.[certificate] ?? "", secret.data?.[key] ?? ""];
  if (certificateData === "" && keyData === "") return undefined;
  if (certificateData === "" || keyData === "") {
    const [present, missing] = keyData === "" ? [certificate, key] : [key, certificate];
    throw new PkiError(`Secret ${KUBEEDGE_NAMESPACE}/${name} holds ${present} but not ${missing}`, {
      code: "HalfPair",
      present,
      missing,
    });
  }
  return { certificate: Buffer.from(certificateData, "base64"), key: Buffer.from(keyData, "base64") };
}

function pairData({ certificate, key }: PairSecret, pair: DerPair): Record<string, string> {
  return { [certificate]: pair.certificate.toString("base64"), [key]: pair.key.toString("base64") };
}

async function createPair(names: PairSecret, pair: DerPair, kube: KubeClient, signal: AbortSignal): Promise<boolean> {
  return createSecret(kube, names.name, pairData(names, pair), signal);
}

async function savePair(names: PairSecret, pair: DerPair, { kube }: Deps, signal: AbortSignal): Promise<void> {
  await saveSecret(kube, names.name, pairData(names, pair), signal);
}

/** @param data base64. @returns false if it is there already. */
async function createSecret(
  kube: KubeClient,
  name: string,
  data: Record<string, string>,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await kube.create(SECRETS, { metadata: { namespace: KUBEEDGE_NAMESPACE, name }, type: "Opaque", data }, signal);
    return true;
  } catch (error) {
    if (hasCode(error, "AlreadyExists")) return false;
    throw error;
  }
}

/** Creates the Secret, or sets these keys of it. @param data base64. */
export async function saveSecret(
  kube: KubeClient,
  name: string,
  data: Record<string, string>,
  signal: AbortSignal,
): Promise<void> {
  if (await createSecret(kube, name, data, signal)) return;
  const key = { namespace: KUBEEDGE_NAMESPACE, name };
  await kube.patch(SECRETS, key, { type: "merge", body: { data } }, signal);
}
