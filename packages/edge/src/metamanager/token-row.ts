import type { TokenRequest } from "@kedge/kube";

/** A string as Go's `%q` writes it, for the characters that names, audiences and UIDs can hold. */
function quote(text: string): string {
  return JSON.stringify(text);
}

/**
 * The key under which KubeEdge caches a token in table `meta`: Go's debug syntax, odd, but an agent that takes over the
 * database must find the tokens of the pods that run.
 *
 * @see `edge-runtime` §2.2
 */
export function tokenRowKey(namespace: string, serviceAccount: string, { spec }: TokenRequest): string {
  const audiences = spec.audiences as readonly string[] | null | undefined;
  const list = audiences === null || audiences === undefined ? "(nil)" : `{${audiences.map(quote).join(", ")}}`;
  const { kind = "", apiVersion = "", name = "", uid = "" } = spec.boundObjectRef ?? {};
  const bound = `v1.BoundObjectReference{Kind:${quote(kind)}, APIVersion:${quote(apiVersion)}, Name:${quote(name)}, UID:${quote(uid)}}`;
  return `${quote(serviceAccount)}/${quote(namespace)}/[]string${list}/${spec.expirationSeconds ?? 0}/${bound}`;
}

/** Whether the token in this row is bound to the pod with this UID. */
export function tokenRowBelongsTo(rowKey: string, podUid: string): boolean {
  return podUid !== "" && rowKey.endsWith(`, UID:${quote(podUid)}}`);
}

const MAX_AGE_MS = 24 * 60 * 60 * 1000;
const LIFETIME_SHARE = 0.8;
/** What clocks may differ by. */
const CLOCK_SKEW_MS = 5 * 60 * 1000;

/** Whether a cached token still serves, should be replaced when the cloud can be asked, or is no longer valid at all. */
export function tokenState(token: TokenRequest, nowMs: number): "fresh" | "aging" | "expired" {
  const expiresMs = Date.parse(token.status?.expirationTimestamp ?? "");
  if (Number.isNaN(expiresMs)) return "aging";
  if (nowMs >= expiresMs) return "expired";
  const lifetimeMs = (token.spec.expirationSeconds ?? 3600) * 1000;
  const issuedMs = expiresMs - lifetimeMs;
  // Issued in the future: our clock is wrong, and says nothing of how old this is.
  if (nowMs < issuedMs - CLOCK_SKEW_MS) return "aging";
  const agingMs = Math.min(issuedMs + MAX_AGE_MS, expiresMs - (1 - LIFETIME_SHARE) * lifetimeMs);
  return nowMs >= agingMs ? "aging" : "fresh";
}
