import { type Observation, type Observations, type PressureCondition, SIGNALS } from "./eviction-signals.ts";
import { amountOf, type Threshold } from "./eviction-thresholds.ts";

/** What is remembered from one look to the next; times are monotonic. */
export interface PressureState {
  /** Thresholds that were met for as long as they must be, and whose minimum has not come back yet. */
  readonly met: readonly Threshold[];
  readonly firstMetAtMs: ReadonlyMap<Threshold, number>;
  readonly conditionSeenAtMs: ReadonlyMap<PressureCondition, number>;
}

export interface PressureVerdict {
  readonly state: PressureState;
  readonly conditions: ReadonlySet<PressureCondition>;
  /** Thresholds for which something must be done now, the most pressing first. */
  readonly due: readonly Threshold[];
}

export const NO_PRESSURE_YET: PressureState = { met: [], firstMetAtMs: new Map(), conditionSeenAtMs: new Map() };

/**
 * Decides from one look at the node.
 *
 * @param transitionMs for so long a condition stays after it was seen last, so that it does not come and go.
 */
export function judgePressure(
  before: PressureState,
  thresholds: readonly Threshold[],
  observations: Observations,
  nowMs: number,
  transitionMs: number,
): PressureVerdict {
  const below = thresholds.filter((threshold) => isMet(threshold, observations, false));
  const unresolved = before.met.filter((threshold) => isMet(threshold, observations, true));
  const now = [...new Set([...below, ...unresolved])];

  const firstMetAtMs = new Map(now.map((threshold) => [threshold, before.firstMetAtMs.get(threshold) ?? nowMs]));
  const conditionSeenAtMs = new Map(before.conditionSeenAtMs);
  for (const { signal } of now) conditionSeenAtMs.set(SIGNALS[signal].condition, nowMs);
  const conditions = new Set<PressureCondition>();
  for (const [condition, seenAtMs] of conditionSeenAtMs)
    if (seenAtMs === nowMs || nowMs - seenAtMs < transitionMs) conditions.add(condition);
    else conditionSeenAtMs.delete(condition);

  const met = now.filter((threshold) => nowMs - (firstMetAtMs.get(threshold) ?? nowMs) >= threshold.graceMs);
  const due = met.toSorted((a, b) => rankOf(a) - rankOf(b));
  return { state: { met, firstMetAtMs, conditionSeenAtMs }, conditions, due };
}

/** Whether nothing is short any more, minimums included. */
export function isRelieved(thresholds: readonly Threshold[], observations: Observations): boolean {
  return !thresholds.some((threshold) => isMet(threshold, observations, true));
}

/** @param reclaiming asks for the minimum to come back, too. */
function isMet({ signal, value, minimumReclaim }: Threshold, observations: Observations, reclaiming: boolean): boolean {
  const observed: Observation | undefined = observations[signal];
  if (observed === undefined) return false;
  const more = reclaiming && minimumReclaim !== undefined ? amountOf(minimumReclaim, observed.capacity) : 0;
  return observed.available < amountOf(value, observed.capacity) + more;
}

// Who runs out of memory dies first.
function rankOf({ signal }: Threshold): number {
  return SIGNALS[signal].condition === "MemoryPressure" ? 0 : 1;
}
