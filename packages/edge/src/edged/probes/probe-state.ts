export type ProbeKind = "startup" | "liveness" | "readiness";

/** What one probe has found of one run of a container. */
export interface ProbeState {
  readonly containerId: string;
  /** What counts now; `undefined`: not known yet. */
  readonly verdict: boolean | undefined;
  /** The last result, and how many in a row were like it. */
  readonly last: boolean | undefined;
  readonly run: number;
  /** Nothing more is to be found out of this run. */
  readonly held: boolean;
}

export interface ProbeThresholds {
  readonly failures: number;
  readonly successes: number;
}

/** Before the first word: not ready, alive, and nobody knows whether it has started. */
const VERDICT_INITIAL: Readonly<Record<ProbeKind, boolean | undefined>> = {
  startup: undefined,
  liveness: true,
  readiness: false,
};

/** @param carried what was known of this run before the agent restarted. */
export function newProbeState(kind: ProbeKind, containerId: string, carried?: boolean): ProbeState {
  const verdict = carried ?? VERDICT_INITIAL[kind];
  return { containerId, verdict, last: undefined, run: 0, held: kind === "startup" && verdict === true };
}

/**
 * Takes a probe's result. Too few in a row change nothing; after a startup probe's end, or a liveness probe's failure, all
 * is said until the container runs anew.
 */
export function takeResult(
  state: ProbeState,
  kind: ProbeKind,
  success: boolean,
  { failures, successes }: ProbeThresholds,
): ProbeState {
  const run = state.last === success ? state.run + 1 : 1;
  const counted = { ...state, last: success, run };
  if (run < (success ? successes : failures)) return counted;
  const held = kind === "startup" || (kind === "liveness" && !success);
  return { ...counted, verdict: success, held, run: held ? 0 : run };
}
