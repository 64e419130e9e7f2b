import { createHash } from "node:crypto";
import { lookup } from "node:dns/promises";
import { connect, isIP } from "node:net";
import { callCertificateApi, type CertificateAnswer, explainFailure, HubError, type JoinToken } from "@kedge/edge";
import { type Check, failedCheck } from "../checks.ts";
import type { CloudAddress } from "./join-options.ts";

const CONNECT_MS = 10_000;
/** Beyond it certificates and tokens are too new, or expired, for one side. */
const CLOCK_SKEW_MS_MAX = 5 * 60_000;
const REASON_CHARS_MAX = 200;

export function dnsCheck({ host }: CloudAddress): Check {
  return {
    name: "address of the cloud",
    async run() {
      if (isIP(host) !== 0) return host;
      try {
        const addresses = await lookup(host, { all: true });
        return `${host} is ${addresses.map(({ address }) => address).join(", ")}`;
      } catch (error) {
        throw explainFailure(error, host);
      }
    },
  };
}

/** @param address `host:port`. @param purpose what listens there. */
export function portCheck(address: string, purpose: string): Check {
  return {
    name: purpose,
    async run(signal) {
      const { hostname, port } = new URL(`https://${address}`);
      const socket = connect({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || "443") });
      const limit = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)]);
      try {
        await new Promise<void>((resolve, reject) => {
          socket.once("connect", resolve);
          socket.once("error", reject);
          limit.addEventListener("abort", () => reject(timedOut(signal)), { once: true });
        });
        return `${address} answers`;
      } catch (error) {
        signal.throwIfAborted();
        throw explainFailure(error, `${address} (${purpose})`);
      } finally {
        socket.destroy();
      }
    },
  };
}

function timedOut(signal: AbortSignal): Error {
  return signal.aborted ? (signal.reason as Error) : Object.assign(new Error("timed out"), { code: "ETIMEDOUT" });
}

/** What the checks of one join learn from each other. */
export interface Learned {
  ca?: string;
  dateHeader?: string | undefined;
}

/** The CA must be the one that the token names. The connection is not trusted yet, and need not be: the hash is. */
export function caCheck({ https }: CloudAddress, token: JoinToken, learned: Learned): Check {
  return {
    name: "CA of the cloud",
    async run(signal) {
      const { httpStatus, body, date } = await call(https, "/ca.crt", {}, undefined, signal);
      if (httpStatus !== 200)
        throw failedCheck(
          "CA of the cloud",
          `${https}/ca.crt answered with HTTP status ${httpStatus}${quoted(body)}: check that --certport names cloudcore's HTTPS port, 10002 by default`,
        );
      const found = createHash("sha256").update(body).digest("hex");
      if (found !== token.caHash)
        throw new HubError(
          `${https} is not the cloud that this token is from, since its CA has hash ${found} and the token says ${token.caHash}: check the address, and get a new token with \`keadm gettoken\``,
          { code: "CaHashMismatch", expected: token.caHash, found },
        );
      learned.ca = pem(body);
      learned.dateHeader = date;
      return `the one that the token names (${found.slice(0, 12)}…)`;
    },
  };
}

/** FIX: KubeEdge's join does not look at the clock, and then certificates are "not yet valid" or tokens "expired". */
export function clockCheck(learned: Learned, nowMs: () => number): Check {
  return {
    name: "clock",
    async run() {
      await Promise.resolve();
      const cloudMs = Date.parse(learned.dateHeader ?? "");
      if (Number.isNaN(cloudMs)) return "the cloud does not tell its time";
      const skewMs = nowMs() - cloudMs;
      const seconds = Math.round(Math.abs(skewMs) / 1000);
      if (Math.abs(skewMs) > CLOCK_SKEW_MS_MAX)
        throw failedCheck(
          "clock",
          `this host's clock is ${seconds} s ${skewMs > 0 ? "ahead of" : "behind"} the cloud's: set it, for instance with timedatectl set-ntp true`,
        );
      return `${seconds} s from the cloud's`;
    },
  };
}

/**
 * Whether the name is free. A stock cloudcore tells everybody; Kedge's only whoever has a token that is good.
 *
 * @param isOurs this host has been that node, so that it may be it again.
 */
export function nameCheck(
  { https }: CloudAddress,
  nodeName: string,
  token: JoinToken | undefined,
  learned: Learned,
  isOurs: boolean,
): Check {
  return {
    name: "node name",
    async run(signal) {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token.bearer}` };
      const path = `/node/${encodeURIComponent(nodeName)}`;
      const { httpStatus, body } = await call(https, path, headers, learned.ca, signal);
      if (httpStatus === 404) return `${nodeName} is free, as far as the cloud tells`;
      if (httpStatus !== 200)
        return `the cloud does not tell whether ${nodeName} is free (HTTP ${httpStatus}${quoted(body)})`;
      if (isOurs) return `${nodeName}, as this host was before`;
      throw failedCheck(
        "node name",
        `the cluster has a node ${nodeName} already: give another name with -i, or, if it was this host before, run: kubectl delete node ${nodeName}`,
      );
    },
  };
}

async function call(
  server: string,
  path: string,
  headers: Record<string, string>,
  ca: string | undefined,
  signal: AbortSignal,
): Promise<CertificateAnswer> {
  try {
    return await callCertificateApi({ server, path, headers, ca, timeoutMs: CONNECT_MS }, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw explainFailure(error, server);
  }
}

function quoted(body: Buffer): string {
  const text = body.toString("utf8", 0, REASON_CHARS_MAX).trim();
  return text === "" ? "" : ` (${text})`;
}

function pem(der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}
