import { createHash } from "node:crypto";
import { lookup } from "node:dns/promises";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import type { EdgeCoreConfig } from "@kedge/api";
import { type Finding, found, madeByUp } from "@kedge/runtime";
import { certificatePem } from "../edgehub/certificate-files.ts";
import { explainFailure, fixFor } from "../edgehub/explain-failure.ts";
import { readToken } from "./check-identity.ts";
import { addressOf, certificatePaths, type CloudServer, cloudServers, type EdgeFacts } from "./edge-facts.ts";
import { type FetchedCa, fetchCa, shakeHands } from "./probe-cloud.ts";
import { tryConnect } from "./try-connect.ts";

const CONNECT_MS = 5_000;
/** Certificates and tokens of a cloud are minted with less room than this. */
const CLOCK_AHEAD_MS_MAX = 5 * 60_000;
const CLOCK_NOTICED_MS = 30_000;

export async function checkDns(facts: EdgeFacts): Promise<Finding> {
  const { config, unreachable } = facts;
  if (config === undefined) return found.skipped("needs the configuration");
  if (!config.modules.edgeHub.enable) return found.skipped("modules.edgeHub is off");
  const said: string[] = [];
  for (const { host, key } of distinct(cloudServers(config))) {
    if (isIP(host) !== 0) {
      said.push(`${host} is an address`);
      continue;
    }
    try {
      said.push(`${host} is ${(await lookup(host)).address}`);
    } catch (error) {
      unreachable.add(host);
      const failure = explainFailure(error, host);
      return found.failed(`${failure.message} (${key})`, `correct ${key}, or this host's DNS: getent hosts ${host}`);
    }
  }
  return found.ok(said.join("; "));
}

function distinct(servers: readonly CloudServer[]): readonly CloudServer[] {
  return servers.filter(({ host }, index) => servers.findIndex((other) => other.host === host) === index);
}

export async function checkPorts(facts: EdgeFacts): Promise<Finding> {
  const { config, unreachable } = facts;
  if (config === undefined) return found.skipped("needs the configuration");
  if (!config.modules.edgeHub.enable) return found.skipped("modules.edgeHub is off");
  const problems: { detail: string; fix: string }[] = [];
  for (const server of cloudServers(config)) {
    if (unreachable.has(server.host)) continue;
    const address = addressOf(server);
    try {
      await tryConnect(server.port, server.host, CONNECT_MS);
    } catch (error) {
      unreachable.add(address);
      const failure = explainFailure(error, address);
      problems.push({ detail: `${failure.message} (${server.key})`, fix: fixFor(failure) });
    }
  }
  const [first] = problems;
  // The cloud of up's node is up's, too.
  const fix = madeByUp(facts.configPath)?.up ?? first?.fix;
  if (fix !== undefined && first !== undefined)
    return found.failed(problems.map(({ detail }) => detail).join("; "), fix);
  const open = cloudServers(config).filter((server) => isOpen(facts, server));
  if (open.length === 0) return found.skipped("the name does not resolve");
  return found.ok(`${open.map(addressOf).join(" and ")} take connections`);
}

function isOpen({ unreachable }: EdgeFacts, server: CloudServer): boolean {
  return !unreachable.has(server.host) && !unreachable.has(addressOf(server));
}

/** Whether those who answer are the cloud that this node trusts, or that its token pins, and named as they are dialled. */
export async function checkTls(facts: EdgeFacts, signal: AbortSignal): Promise<Finding> {
  const { config } = facts;
  if (config === undefined) return found.skipped("needs the configuration");
  if (!config.modules.edgeHub.enable) return found.skipped("modules.edgeHub is off");
  const [https, webSocket] = cloudServers(config);
  let fetched: FetchedCa | undefined;
  if (isOpen(facts, https)) {
    fetched = await fetchCa(https, signal);
    if (fetched.clockAheadMs !== undefined) facts.clockAheadMs = fetched.clockAheadMs;
  }
  const trusted = trustedCa(config, https, fetched);
  if ("state" in trusted) return trusted;
  facts.ca = trusted.pem;
  const said: string[] = [];
  const ends: string[] = [];
  for (const server of [https, webSocket]) {
    if (!isOpen(facts, server)) continue;
    const address = addressOf(server);
    const { problem, certificate } = await shakeHands(server, trusted.pem, signal);
    if (problem !== undefined) {
      const failure = explainFailure(Object.assign(new Error(problem), { code: problem }), address);
      const names = certificate?.subjectAltName ?? certificate?.subject ?? "nothing";
      const shown = failure.code === "WrongServerName" ? ` (it names ${names})` : "";
      return found.failed(`${failure.message}${shown}${skewNote(facts)}`, fixFor(failure));
    }
    said.push(address);
    ends.push(certificate?.validToDate.toISOString() ?? "?");
  }
  if (said.length === 0) return found.skipped("nobody answers there");
  return found.ok(
    `${said.join(" and ")} are named as dialled, by ${trusted.whence}, until ${ends.toSorted()[0] ?? "?"}`,
  );
}

/** The CA that this node has, else the one that its token pins. */
function trustedCa(
  config: EdgeCoreConfig,
  https: CloudServer,
  fetched: FetchedCa | undefined,
): Finding | { readonly pem: string; readonly whence: string } {
  const { caFile, certFile } = certificatePaths(config);
  const token = readToken(config);
  const stored = readIfThere(caFile);
  if (fetched !== undefined && token.parsed !== undefined) {
    const hash = createHash("sha256").update(fetched.body).digest("hex");
    if (fetched.httpStatus !== 200)
      return found.failed(
        `${addressOf(https)} answers /ca.crt with HTTP status ${fetched.httpStatus}`,
        "set modules.edgeHub.httpServer to cloudcore's HTTPS port, 10002 by default",
      );
    if (hash !== token.parsed.caHash)
      return found.failed(
        `${addressOf(https)} is not the cloud that the token is from: its CA has hash ${hash}, the token says ${token.parsed.caHash}`,
        "check the address, then get a new token there: keadm gettoken",
      );
    // A node that joins anew takes the CA of its token.
    if (stored === undefined || readIfThere(certFile) === undefined)
      return { pem: certificatePem(fetched.body), whence: "the CA that the token pins" };
  }
  if (stored !== undefined) return { pem: stored, whence: `the CA in ${caFile}` };
  if (fetched === undefined) return found.skipped("nobody answers there");
  return found.skipped("there is neither a CA nor a token to check the cloud's certificate with");
}

export function checkClock({ config, clockAheadMs }: EdgeFacts): Finding {
  if (config === undefined) return found.skipped("needs the configuration");
  if (clockAheadMs === undefined) return found.skipped("the cloud did not tell its time");
  const off = Math.abs(clockAheadMs);
  const detail = skew(clockAheadMs);
  const fix = "set the clock and keep it right: timedatectl set-ntp true, or install chrony";
  if (off > CLOCK_AHEAD_MS_MAX) return found.failed(detail, fix);
  if (off > CLOCK_NOTICED_MS) return found.warning(detail, fix);
  return found.ok("within half a minute of the cloud's");
}

function skew(aheadMs: number): string {
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  const long = seconds > 172_800 ? `${Math.round(seconds / 86_400)} days` : `${seconds} s`;
  return `this host's clock is ${long} ${aheadMs > 0 ? "ahead of" : "behind"} the cloud's`;
}

/** What looks like a bad certificate may be a bad clock. */
function skewNote({ clockAheadMs }: EdgeFacts): string {
  const worth = clockAheadMs !== undefined && Math.abs(clockAheadMs) > CLOCK_AHEAD_MS_MAX;
  return worth ? `; ${skew(clockAheadMs)}` : "";
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
