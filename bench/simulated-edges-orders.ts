import type { SimulatedCloud } from "./simulated-edge.ts";

/** What a benchmark tells its simulated edges; each order is answered by `done`. */
export type Order =
  | { readonly order: "join"; readonly cloud: SimulatedCloud; readonly nodes: readonly string[] }
  /** Cuts all links at once, then connects all again. */
  | { readonly order: "storm" };

/** What they tell: an order is done, or cannot be; which pods came, with the mark of each, and when. */
export type Note =
  | { readonly note: "done" }
  | { readonly note: "failed"; readonly reason: string }
  | { readonly note: "pods"; readonly seen: readonly PodSeen[] };

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
