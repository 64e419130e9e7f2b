import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import type { TunnelHeaders } from "@kedge/protocol";

/** Belong to one hop, or say who calls: neither is for the node to see, which might be in others' hands. */
const NOT_PASSED_ON: ReadonlySet<string> = new Set([
  "authorization",
  "cookie",
  "host",
  "impersonate-group",
  "impersonate-uid",
  "impersonate-user",
  "keep-alive",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-forwarded-uri",
  "x-remote-group",
  "x-remote-uid",
  "x-remote-user",
]);
/** Of an answer: the connection to the caller is another one. */
const NOT_PASSED_BACK: ReadonlySet<string> = new Set(["connection", "keep-alive", "transfer-encoding", "trailer"]);

/** A request's headers as a connect frame has them: Go's names, lists of values. */
export function headersForNode({ rawHeaders }: Pick<IncomingMessage, "rawHeaders">, isUpgrade: boolean): TunnelHeaders {
  const headers: Record<string, string[]> = {};
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? "").toLowerCase();
    if (NOT_PASSED_ON.has(name) || name.startsWith("impersonate-extra-") || name.startsWith("x-remote-extra-"))
      continue;
    if (!isUpgrade && (name === "connection" || name === "upgrade")) continue;
    (headers[canonicalName(name)] ??= []).push(rawHeaders[at + 1] ?? "");
  }
  return headers;
}

/** What a node answered, for the caller of a request that upgrades nothing. */
export function headersForCaller(headers: TunnelHeaders): OutgoingHttpHeaders {
  const passed: OutgoingHttpHeaders = {};
  for (const [name, values] of Object.entries(headers))
    if (!NOT_PASSED_BACK.has(name.toLowerCase())) passed[name] = [...values];
  return passed;
}

/** As Go writes names of headers: `X-Stream-Protocol-Version`. */
function canonicalName(lower: string): string {
  return lower.replace(/(^|-)([a-z])/g, (_, dash: string, letter: string) => `${dash}${letter.toUpperCase()}`);
}
