import type { ProbeKind } from "./probe-state.ts";

/** A probe's spec in ms and counts, with Kubernetes' defaults. */
export interface ProbeTimes {
  readonly initialDelayMs: number;
  readonly periodMs: number;
  readonly timeoutSeconds: number;
}

/**
 * When to probe a container for the first time, by the same clock as `startedAtMs`.
 *
 * Readiness and startup at once, so that nobody waits for nothing. Liveness a period after the start, as kubelets'
 * tickers come out: who has no startup probe reckons with that time.
 */
export function firstProbeMs(kind: ProbeKind, startedAtMs: number, { initialDelayMs, periodMs }: ProbeTimes): number {
  if (kind !== "liveness") return startedAtMs + initialDelayMs;
  return startedAtMs + Math.max(1, Math.ceil(initialDelayMs / periodMs)) * periodMs;
}

/** When to probe again: a period after the last time, or at once if that took longer. */
export function nextProbeMs(lastDueMs: number, nowMs: number, { periodMs }: ProbeTimes): number {
  return Math.max(lastDueMs + periodMs, nowMs);
}

/**
 * Whether a failure counts. Users reckon that a container has `failureThreshold` × `periodSeconds` to start: the try at
 * the very start, which only is there to succeed soon, takes none of that away.
 */
export function failureCounts(
  kind: ProbeKind,
  startedAtMs: number,
  probedAtMs: number,
  { initialDelayMs, periodMs }: ProbeTimes,
): boolean {
  return kind !== "startup" || probedAtMs - startedAtMs >= initialDelayMs + periodMs;
}
