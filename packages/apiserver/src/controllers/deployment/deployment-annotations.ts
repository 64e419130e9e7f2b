import type { Deployment, ReplicaSet } from "@kedge/kube";

/** Which generation of the template this is; `kubectl rollout history` and `undo` go by it. */
export const REVISION = "deployment.kubernetes.io/revision";
export const REVISION_HISTORY = "deployment.kubernetes.io/revision-history";
/** The Deployment's replicas when this ReplicaSet was last scaled: another number tells that the user scaled since. */
export const DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas";
export const MAX_REPLICAS = "deployment.kubernetes.io/max-replicas";
/** Of the text, so that it cannot grow for ever. */
const REVISION_HISTORY_CHARACTERS_MAX = 2_000;

const OWN = new Set([
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  "kubectl.kubernetes.io/last-applied-configuration",
  "deprecated.deployment.rollback.to",
]);

type Annotations = Record<string, string>;

export function revisionOf(object: { metadata?: { annotations?: Annotations } }): number {
  const revision = Number(object.metadata?.annotations?.[REVISION] ?? 0);
  return Number.isSafeInteger(revision) ? revision : 0;
}

/** What the ReplicaSet of the current template carries. @param current its annotations so far, if it exists. */
export function newReplicaSetAnnotations(deployment: Deployment, current: Annotations, revision: number): Annotations {
  const next = { ...current };
  for (const [key, value] of Object.entries(deployment.metadata?.annotations ?? {}))
    if (!OWN.has(key)) next[key] = value;
  const old = revisionOf({ metadata: { annotations: current } });
  if (old >= revision) return next;
  next[REVISION] = String(revision);
  if (old > 0) {
    const history = [...(current[REVISION_HISTORY] ?? "").split(",").filter((each) => each !== ""), String(old)];
    while (history.join(",").length > REVISION_HISTORY_CHARACTERS_MAX) history.shift();
    next[REVISION_HISTORY] = history.join(",");
  }
  return next;
}

export function replicasAnnotations(desired: number, max: number): Annotations {
  return { [DESIRED_REPLICAS]: String(desired), [MAX_REPLICAS]: String(max) };
}

/** Undefined where it was never set. */
export function annotatedNumber(replicaSet: ReplicaSet, name: string): number | undefined {
  const text = replicaSet.metadata?.annotations?.[name];
  const value = Number(text);
  return text === undefined || !Number.isSafeInteger(value) ? undefined : value;
}
