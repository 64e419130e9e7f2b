import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import type { EdgeCoreConfig } from "@kedge/api";
import { nodeUserName } from "@kedge/protocol";
import { type Finding, found, toError } from "@kedge/runtime";
import { BOOTSTRAP_FILE } from "../edgehub/edgehub-config.ts";
import { type JoinToken, parseJoinToken } from "../edgehub/join-token.ts";
import { certificatePaths, type EdgeFacts } from "./edge-facts.ts";

const DAY_MS = 24 * 3_600_000;
/** By then rotation, which begins with a tenth of the lifetime left at the latest, has failed for some time. */
const LATE_SHARE = 0.08;
const LATE_DAYS_WITHOUT_ROTATION = 30;
const JOIN_AGAIN = "join again: set modules.edgeHub.token to a token from keadm gettoken, and restart edgecore";

interface FoundToken {
  /** Where it is from, for people. */
  readonly whence: string;
  readonly text: string;
  readonly parsed?: JoinToken;
  readonly problem?: string;
}

/** The token that edgecore would use: what keadm left goes before the configuration's. */
export function readToken({ modules: { edgeHub } }: EdgeCoreConfig): FoundToken {
  let [whence, text] = [BOOTSTRAP_FILE, ""];
  try {
    text = readFileSync(BOOTSTRAP_FILE, "utf8").trim();
  } catch {
    [whence, text] = ["modules.edgeHub.token", edgeHub.token.trim()];
  }
  if (text === "") return { whence, text };
  try {
    return { whence, text, parsed: parseJoinToken(text) };
  } catch (error) {
    return { whence, text, problem: toError(error).message };
  }
}

/** Whether the node can prove who it is: its files, as edgecore reads them. */
export function checkCertificate({ config, agent, ca }: EdgeFacts): Finding {
  if (config === undefined) return found.skipped("needs the configuration");
  const { edgeHub, edged } = config.modules;
  if (!edgeHub.enable) return found.skipped("modules.edgeHub is off");
  const { certFile, keyFile } = certificatePaths(config);
  const pair = readPair(certFile, keyFile);
  if (typeof pair === "string")
    return readToken(config).text === ""
      ? found.failed(`not joined (${pair}), and there is no join token`, JOIN_AGAIN)
      : found.ok(`not joined yet (${pair}): edgecore will join with the token`);
  const { certificate, isPair } = pair;
  if (!isPair) return found.failed(`${certFile} and ${keyFile} are no pair`, JOIN_AGAIN);
  const name = /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? "";
  if (name !== nodeUserName(edged.hostnameOverride))
    return found.failed(
      `${certFile} is for ${name}, but this node is ${edged.hostnameOverride}`,
      `set modules.edged.hostnameOverride to the certificate's node, or ${JOIN_AGAIN}`,
    );
  const mode = statSync(keyFile).mode & 0o777;
  if ((mode & 0o077) !== 0)
    return found.failed(`${keyFile} can be read by others (mode ${mode.toString(8)})`, `chmod 600 ${keyFile}`);
  if (ca !== undefined && !certificate.verify(new X509Certificate(ca).publicKey))
    return found.failed(`${certFile} is of another authority than the cloud's`, JOIN_AGAIN);
  return judgeTime(certificate, certFile, edgeHub.rotateCertificates, agent !== undefined);
}

function judgeTime(certificate: X509Certificate, file: string, rotates: boolean, agentRuns: boolean): Finding {
  const [from, until] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()];
  const now = Date.now();
  const text = certificate.validToDate.toISOString();
  if (now >= until) return found.failed(`${file} expired at ${text}`, `check the clock; if it is right, ${JOIN_AGAIN}`);
  if (now < from)
    return found.failed(`${file} is not valid before ${certificate.validFromDate.toISOString()}`, "set the clock");
  const days = Math.floor((until - now) / DAY_MS);
  if (!rotates && days < LATE_DAYS_WITHOUT_ROTATION)
    return found.warning(
      `${file} ends in ${days} days, and rotation is off`,
      "set modules.edgeHub.rotateCertificates to true",
    );
  if (until - now < LATE_SHARE * (until - from))
    return found.warning(
      `${file} ends in ${days} days and was not renewed`,
      agentRuns ? "see edgecore's log: it tries again and again" : "start edgecore: it renews the certificate",
    );
  return found.ok(`${file} is this node's, until ${text}`);
}

function readPair(certFile: string, keyFile: string): string | { certificate: X509Certificate; isPair: boolean } {
  for (const file of [certFile, keyFile])
    try {
      readFileSync(file);
    } catch (error) {
      return `${file}: ${toError(error).message}`;
    }
  try {
    const certificate = new X509Certificate(readFileSync(certFile));
    return { certificate, isPair: certificate.checkPrivateKey(createPrivateKey(readFileSync(keyFile))) };
  } catch (error) {
    return `${certFile} or ${keyFile} is damaged: ${toError(error).message}`;
  }
}

/** Whether there is a certificate to connect with, be it a bad one. */
export function isJoined(config: EdgeCoreConfig): boolean {
  const { certFile, keyFile } = certificatePaths(config);
  return typeof readPair(certFile, keyFile) !== "string";
}

/** A token is needed once; a stale one beside a good certificate does no harm. */
export function checkToken({ config, clockAheadMs = 0 }: EdgeFacts): Finding {
  if (config === undefined) return found.skipped("needs the configuration");
  if (!config.modules.edgeHub.enable) return found.skipped("modules.edgeHub is off");
  const joined = isJoined(config);
  const { whence, text, parsed, problem } = readToken(config);
  if (text === "")
    return joined ? found.skipped("none is set, and none is needed") : found.failed("there is none", JOIN_AGAIN);
  const judge = joined ? found.warning : found.failed;
  const remedy = joined ? `empty ${whence}: this node has joined` : "get a new one: keadm gettoken";
  if (parsed === undefined) return judge(`${whence}: ${problem ?? "unreadable"}`, remedy);
  const cloudNowMs = Date.now() - clockAheadMs;
  if (parsed.expiresMs !== undefined && parsed.expiresMs <= cloudNowMs)
    return judge(`${whence} expired at ${new Date(parsed.expiresMs).toISOString()}`, remedy);
  const until = parsed.expiresMs === undefined ? "" : `, until ${new Date(parsed.expiresMs).toISOString()}`;
  return found.ok(`${whence} is well-formed${until}`);
}
