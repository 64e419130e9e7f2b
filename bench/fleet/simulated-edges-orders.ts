import type { IdentitySource } from "./edge-identity.ts";
import type { EdgeProtocol } from "./simulated-edge.ts";

/** What simulated edges need to know of a cloud to connect to it. */
export interface EdgesPlan {
  readonly address: string;
  readonly cloudHubPort: number;
  readonly identity: IdentitySource;
  readonly protocol: EdgeProtocol;
  /** Whether they also register their nodes, report them Ready and renew their leases. */
  readonly register: boolean;
}

/** What a benchmark tells its simulated edges; each order is answered by `done`. */
export type Order =
  | { readonly order: "connect"; readonly plan: EdgesPlan; readonly nodes: readonly string[] }
  /** Cuts all links at once, then connects all again. */
  | { readonly order: "storm" }
  | { readonly order: "count" };

/** What they tell: an order is done, or cannot be; which pods came, with the mark of each, and when. */
export type Note =
  | ({ readonly note: "done" } & EdgesCount)
  | { readonly note: "failed"; readonly reason: string }
  | { readonly note: "pods"; readonly seen: readonly PodSeen[] };

export interface EdgesCount {
  readonly connected: number;
  /** Links that ended since the last count though nobody cut them. */
  readonly lost: number;
}

export interface PodSeen {
  readonly pod: string;
  /** The value of {@link MARK}. */
  readonly mark: string;
  /** Unix time with fractions of a millisecond, when it was acknowledged. */
  readonly atMs: number;
}

/** Annotation by which an update is known again. */
export const MARK = "bench.kedge.io/mark";

export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
