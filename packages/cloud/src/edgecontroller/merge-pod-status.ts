import type { Pod, PodCondition, PodStatus } from "@kedge/kube";

/** Their time of change is kept while they do not change. */
const STEADY_CONDITIONS: ReadonlySet<string> = new Set(["Ready", "Initialized"]);

/** The status to store when an older edge reports one. @see `cloud-edge-protocol` §6.4 */
export function mergePodStatus(pod: Pod, reported: PodStatus): PodStatus {
  const old = pod.status ?? {};
  const conditions = (reported.conditions ?? []).map((condition) => keepTransition(condition, old.conditions ?? []));
  const startTime = old.startTime ?? truncate(reported.startTime);
  const initOrder = (pod.spec?.initContainers ?? []).map(({ name }) => name);
  return {
    ...reported,
    ...(startTime !== undefined && { startTime }),
    conditions,
    ...(reported.containerStatuses !== undefined && {
      containerStatuses: reported.containerStatuses.toSorted((a, b) =>
        a.name < b.name ? -1 : a.name > b.name ? 1 : 0,
      ),
    }),
    ...(reported.initContainerStatuses !== undefined && {
      initContainerStatuses: reported.initContainerStatuses.toSorted(
        (a, b) => initOrder.indexOf(a.name) - initOrder.indexOf(b.name),
      ),
    }),
  };
}

function keepTransition(condition: PodCondition, old: readonly PodCondition[]): PodCondition {
  const before = STEADY_CONDITIONS.has(condition.type) ? old.find(({ type }) => type === condition.type) : undefined;
  const same = before?.status === condition.status ? before.lastTransitionTime : undefined;
  const lastTransitionTime = same ?? truncate(condition.lastTransitionTime);
  return { ...condition, ...(lastTransitionTime !== undefined && { lastTransitionTime }) };
}

/** Kubernetes keeps whole seconds. */
function truncate<T extends string | undefined>(time: T): T {
  return (time === undefined ? undefined : time.replace(/\.\d+/, "")) as T;
}
