import type { Container, Pod, ResourceRequirements } from "@kedge/kube";
import { parseNano } from "./quantity.ts";

/** Resource name → billionths of its unit. */
export type Amounts = ReadonlyMap<string, bigint>;

type ResourceList = Readonly<Record<string, string>> | undefined;

type Bound = "requests" | "limits";

export interface PodResourcesOptions {
  readonly excludeOverhead?: boolean;
  /** Of the containers alone, whatever the pod says for itself. */
  readonly excludePodLevel?: boolean;
}

/**
 * What a pod asks for: what it says itself in `spec.resources`, else the larger of what runs together and of what its init
 * containers need; plus overhead.
 */
export function podRequests(pod: Pod, options: PodResourcesOptions = {}): Amounts {
  return podAmounts(pod, "requests", options);
}

/** As {@link podRequests}; overhead only adds to a limit that is set. */
export function podLimits(pod: Pod, options: PodResourcesOptions = {}): Amounts {
  return podAmounts(pod, "limits", options);
}

/** The containers that run for as long as the pod does: regular ones and restartable init containers. */
export function longRunningContainers(pod: Pod): Container[] {
  return [...(pod.spec?.initContainers ?? []).filter(isSidecar), ...(pod.spec?.containers ?? [])];
}

/** An init container that is restarted for ever and runs beside the regular ones. */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === "Always";
}

export function amountsOf(list: ResourceList): Map<string, bigint> {
  return new Map(Object.entries(list ?? {}).map(([name, quantity]) => [name, parseNano(quantity)]));
}

/** Undefined when the pod says nothing of cpu, memory or huge pages for itself. */
export function podLevelResources({ spec }: Pod): ResourceRequirements | undefined {
  const resources = spec?.resources;
  const named = [...Object.keys(resources?.requests ?? {}), ...Object.keys(resources?.limits ?? {})];
  return named.some(isPodLevel) ? resources : undefined;
}

/** What a container may use when it sets no limit of its own: the pod's, if that has one. */
export function containerLimit(pod: Pod, container: Container, resource: string): bigint | undefined {
  const own = amountsOf(container.resources?.limits).get(resource) ?? 0n;
  const limit = own > 0n ? own : amountsOf(podLevelResources(pod)?.limits).get(resource);
  return limit !== undefined && limit > 0n ? limit : undefined;
}

export function isHugePages(resource: string): boolean {
  return resource.startsWith("hugepages-");
}

function isPodLevel(resource: string): boolean {
  return resource === "cpu" || resource === "memory" || isHugePages(resource);
}

function podAmounts(pod: Pod, bound: Bound, options: PodResourcesOptions): Amounts {
  const together = new Map<string, bigint>();
  for (const container of pod.spec?.containers ?? []) add(together, amountsOf(container.resources?.[bound]));

  // Sidecars started so far run beside each later init container.
  const sidecars = new Map<string, bigint>();
  const initMost = new Map<string, bigint>();
  for (const container of pod.spec?.initContainers ?? []) {
    const own = amountsOf(container.resources?.[bound]);
    if (isSidecar(container)) {
      add(together, own);
      add(sidecars, own);
      raise(initMost, sidecars);
    } else {
      const beside = new Map(sidecars);
      add(beside, own);
      raise(initMost, beside);
    }
  }
  raise(together, initMost);
  const ofPod = options.excludePodLevel === true ? undefined : podLevelResources(pod)?.[bound];
  for (const [name, amount] of amountsOf(ofPod)) if (isPodLevel(name)) together.set(name, amount);

  if (options.excludeOverhead !== true) {
    for (const [name, amount] of amountsOf(pod.spec?.overhead)) {
      const present = together.get(name) ?? 0n;
      if (bound === "requests" || present > 0n) together.set(name, present + amount);
    }
  }
  return together;
}

function add(sum: Map<string, bigint>, more: Amounts): void {
  for (const [name, amount] of more) sum.set(name, (sum.get(name) ?? 0n) + amount);
}

function raise(most: Map<string, bigint>, other: Amounts): void {
  for (const [name, amount] of other) if (amount > (most.get(name) ?? -1n)) most.set(name, amount);
}
