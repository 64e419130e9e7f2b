import type { Pod } from "@kedge/kube";
import { amountsOf, podLevelResources } from "./pod-resources.ts";

export type QosClass = "Guaranteed" | "Burstable" | "BestEffort";

/** Priorities from here on are Kubernetes' own, critical pods. */
const SYSTEM_CRITICAL_PRIORITY_MIN = 2_000_000_000;

/**
 * How much a pod can rely on its resources. Guaranteed: every container has cpu and memory limits that equal its
 * requests; BestEffort: none asks for anything. A pod with `spec.resources` is judged by those alone. A class that the pod's status names already never changes.
 */
export function qosClassOf(pod: Pod): QosClass {
  const known = pod.status?.qosClass;
  if (known === "Guaranteed" || known === "Burstable" || known === "BestEffort") return known;

  const requests = new Map<string, bigint>();
  const limits = new Map<string, bigint>();
  let guaranteed = true;
  // What the pod says for itself counts in place of what its containers say.
  const podLevel = podLevelResources(pod);
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  for (const resources of podLevel === undefined ? containers.map((one) => one.resources) : [podLevel]) {
    collect(requests, resources?.requests);
    const limited = collect(limits, resources?.limits);
    if (!limited.has("cpu") || !limited.has("memory")) guaranteed = false;
  }
  if (requests.size === 0 && limits.size === 0) return "BestEffort";
  const equal = requests.size === limits.size && [...requests].every(([name, amount]) => limits.get(name) === amount);
  return guaranteed && equal ? "Guaranteed" : "Burstable";
}

/** Whether the node needs this pod to live: static, mirror and system-critical pods. */
export function isCriticalPod(pod: Pod): boolean {
  const annotations = pod.metadata?.annotations ?? {};
  const source = annotations["kubernetes.io/config.source"];
  if (source !== undefined && source !== "api") return true;
  if (annotations["kubernetes.io/config.mirror"] !== undefined) return true;
  return (pod.spec?.priority ?? 0) >= SYSTEM_CRITICAL_PRIORITY_MIN;
}

/** Adds the positive cpu and memory amounts of `list`. @returns which of both it names. */
function collect(sum: Map<string, bigint>, list: Readonly<Record<string, string>> | undefined): Set<string> {
  const named = new Set<string>();
  for (const [name, amount] of amountsOf(list)) {
    if ((name !== "cpu" && name !== "memory") || amount <= 0n) continue;
    named.add(name);
    sum.set(name, (sum.get(name) ?? 0n) + amount);
  }
  return named;
}
