import { setTimeout as delay } from "node:timers/promises";
import type { KubeTransport } from "@kedge/kube-client";
import type { Exchange } from "./exchanges.ts";

export interface Answer {
  readonly status: number;
  readonly warning: string | undefined;
  readonly body: unknown;
}

const TRIES_MAX = 200;
const TRY_AGAIN_MS = 50;

export async function ask(transport: KubeTransport, exchange: Exchange): Promise<Answer> {
  for (let tries = 1; ; tries += 1) {
    const answer = await askOnce(transport, exchange);
    if (exchange.until === undefined || answer.status === exchange.until || tries === TRIES_MAX) return answer;
    await delay(TRY_AGAIN_MS); // a server that has not got there yet has no way to tell us when it has
  }
}

async function askOnce(transport: KubeTransport, exchange: Exchange): Promise<Answer> {
  const { method, path, body, contentType = "application/json", accept = "application/json" } = exchange;
  const response = await transport.request({
    method,
    path,
    headers: { accept, ...(body === undefined ? {} : { "content-type": contentType }) },
    body: body === undefined ? undefined : Buffer.from(typeof body === "string" ? body : JSON.stringify(body)),
    signal: AbortSignal.timeout(20_000),
  });
  const text = Buffer.concat(await Array.fromAsync(response.body)).toString();
  return {
    status: response.status,
    warning:
      response.headers["warning"]?.includes("nothing acts on it") === true ? undefined : response.headers["warning"],
    body: exchange.statusOnly === true ? undefined : normalized(parsed(text)),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** What differs from run to run, or is kept only by one of them. */
const VOLATILE = new Set([
  "uid",
  "resourceVersion",
  "creationTimestamp",
  "managedFields",
  "deletionTimestamp",
  "lastTransitionTime",
  "description",
  "remainingItemCount",
]);

function normalized(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normalized);
  if (typeof value === "string")
    return value.replaceAll(/kube-api-access-\w+/g, "kube-api-access").replace(/\b\d+s\b/, "0s");
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value)
    .filter(([key, member]) => !VOLATILE.has(key) && !saysNothing(key, member))
    .map(([key, member]) => [key, normalized(member)] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries);
}

/** Go writes null for a time that is not set, and texts of events that are empty: the same as nothing. */
function saysNothing(key: string, member: unknown): boolean {
  if (TIMES.has(key)) return member === null;
  return (key.startsWith("reporting") || key === "continue") && member === "";
}

const TIMES = new Set([
  "eventTime",
  "lastProbeTime",
  "deprecatedFirstTimestamp",
  "deprecatedLastTimestamp",
  "firstTimestamp",
  "lastTimestamp",
]);
