import { createHash, X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { type Secret, SECRETS } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { type Finding, found, hasCode } from "@kedge/runtime";
import { checkPair, type DerPair } from "../cloudhub/pki/certificate-authority.ts";
import { readPairFiles } from "../cloudhub/pki/pair-files.ts";
import {
  CA_SECRET,
  KUBEEDGE_NAMESPACE,
  type PairSecret,
  readPairSecret,
  SERVER_SECRET,
} from "../cloudhub/pki/secrets.ts";
import { type CloudFacts, NEEDS_API, NEEDS_CONFIG } from "./cloud-facts.ts";

const DAY_MS = 24 * 3_600_000;
const ENDS_SOON_MS = 30 * DAY_MS;
const TOKEN_SECRET = "tokensecret";
const RESTART = "restart cloudcore: it makes what is missing";

/** Whom all edges trust; if it is lost, every edge must join anew. */
export async function checkCa(facts: CloudFacts, signal: AbortSignal): Promise<Finding> {
  const { config, kube } = facts;
  if (config === undefined) return found.skipped(NEEDS_CONFIG);
  const { tlsCAFile, tlsCAKeyFile } = config.modules.cloudHub;
  const where = existsSync(tlsCAFile) ? tlsCAFile : secretPath(CA_SECRET.name);
  const pair = await findPair([tlsCAFile, tlsCAKeyFile], CA_SECRET, kube, signal);
  if (pair === "unknown") return found.skipped(NEEDS_API);
  if (pair === undefined) return found.ok("there is none yet: cloudcore makes one at its first start");
  checkPair(pair, where);
  const ca = new X509Certificate(pair.certificate);
  facts.ca = ca;
  return judgeTime(ca, where, "plan to replace it: every edge must then join anew");
}

/** What edges see when they connect: it must name every address at which they dial. */
export async function checkServerCertificate(facts: CloudFacts, signal: AbortSignal): Promise<Finding> {
  const { config, kube, ca } = facts;
  if (config === undefined) return found.skipped(NEEDS_CONFIG);
  const { tlsCertFile, tlsPrivateKeyFile, advertiseAddress, dnsNames } = config.modules.cloudHub;
  const isFile = existsSync(tlsCertFile);
  const where = isFile ? tlsCertFile : secretPath(SERVER_SECRET.name);
  const names = [...advertiseAddress, ...dnsNames].filter((name) => name !== "");
  if (names.length === 0)
    return found.failed(
      "neither advertiseAddress nor dnsNames names anything",
      "set modules.cloudHub.advertiseAddress to the addresses at which edges reach this host",
    );
  const pair = await findPair([tlsCertFile, tlsPrivateKeyFile], SERVER_SECRET, kube, signal);
  if (pair === "unknown") return found.skipped(NEEDS_API);
  if (pair === undefined) return found.ok(`there is none yet: cloudcore makes one for ${names.join(", ")}`);
  checkPair(pair, where);
  const certificate = new X509Certificate(pair.certificate);
  const again = isFile ? `replace ${tlsCertFile}, or remove it so that cloudcore makes one` : RESTART;
  if (ca !== undefined && !certificate.verify(ca.publicKey))
    return found.failed(`${where} is of another authority than the CA that edges trust`, again);
  const missing = names.filter((name) =>
    isIP(name) === 0
      ? certificate.checkHost(name, { subject: "never" }) === undefined
      : certificate.checkIP(name) === undefined,
  );
  if (missing.length > 0)
    return found.failed(
      `${where} does not name ${missing.join(", ")} (it names ${certificate.subjectAltName ?? "nothing"})`,
      again,
    );
  return judgeTime(certificate, `${where} names ${names.join(", ")}`, again);
}

/** What `keadm gettoken` prints, and edges join with. */
export async function checkTokenSecret({ kube, ca, config }: CloudFacts, signal: AbortSignal): Promise<Finding> {
  if (kube === undefined || config === undefined) return found.skipped(NEEDS_API);
  const secret = await secretIfThere(kube, TOKEN_SECRET, signal);
  const where = secretPath(TOKEN_SECRET);
  if (!config.modules.cloudHub.sharedToken)
    return found.skipped("modules.cloudHub.sharedToken is off: nodes join with tokens of keadm token create");
  if (secret === undefined) return found.failed(`${where} is not there, so no node can join`, RESTART);
  const token = Buffer.from(secret.data?.["tokendata"] ?? "", "base64").toString();
  const [hash, , claims, signature] = token.split(".");
  const expiresMs = expiryMs(claims ?? "");
  if (signature === undefined || expiresMs === undefined)
    return found.failed(
      `${where} holds no join token`,
      `kubectl -n ${KUBEEDGE_NAMESPACE} delete secret ${TOKEN_SECRET}, then restart cloudcore`,
    );
  if (ca !== undefined && createHash("sha256").update(ca.raw).digest("hex") !== hash)
    return found.failed(`${where} is of another CA than the one in use`, RESTART);
  const text = new Date(expiresMs).toISOString();
  if (expiresMs <= Date.now())
    return found.failed(`${where} expired at ${text}`, `${RESTART}, and keeps the token fresh while it runs`);
  return found.ok(`${where} lets nodes join until ${text}`);
}

function expiryMs(claims: string): number | undefined {
  try {
    const { exp } = JSON.parse(Buffer.from(claims, "base64url").toString()) as { exp?: unknown };
    return typeof exp === "number" ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}

function judgeTime(certificate: X509Certificate, what: string, fix: string): Finding {
  const until = certificate.validToDate.getTime();
  const text = certificate.validToDate.toISOString();
  if (certificate.validFromDate.getTime() > Date.now())
    return found.failed(
      `${what}, but is not valid before ${certificate.validFromDate.toISOString()}`,
      "set this host's clock",
    );
  if (until <= Date.now()) return found.failed(`${what}, but expired at ${text}`, fix);
  if (until - Date.now() < ENDS_SOON_MS) return found.warning(`${what}, but ends at ${text}`, fix);
  return found.ok(`${what}, until ${text}`);
}

/** As cloudcore looks for them: files first, then the Secret. @returns "unknown" if the Secret cannot be asked for. */
async function findPair(
  files: readonly [certificate: string, key: string],
  secret: PairSecret,
  kube: KubeClient | undefined,
  signal: AbortSignal,
): Promise<DerPair | undefined | "unknown"> {
  const local = await readPairFiles(...files);
  if (local !== undefined) return local;
  return kube === undefined ? "unknown" : readPairSecret(secret, kube, signal);
}

async function secretIfThere(kube: KubeClient, name: string, signal: AbortSignal): Promise<Secret | undefined> {
  try {
    return await kube.get(SECRETS, { namespace: KUBEEDGE_NAMESPACE, name }, signal);
  } catch (error) {
    if (hasCode(error, "NotFound")) return undefined;
    throw error;
  }
}

function secretPath(name: string): string {
  return `Secret ${KUBEEDGE_NAMESPACE}/${name}`;
}
