import type { Container, Pod, ResourceRequirements } from "@kedge/kube";
import { amountsOf, isSidecar } from "../resources/pod-resources.ts";

/** Under this name stands what the pod has as a whole, if it says so: no container is called so. */
export const POD_LEVEL = "";

/** What the node has given to a pod, by container: the resources of those that may change while they run. */
export type Allocation = Readonly<Record<string, ResourceRequirements>>;

/** What can change in a running container. */
const RESIZABLE = ["cpu", "memory"] as const;
export type Resizable = (typeof RESIZABLE)[number];

export function resizableContainers({ spec }: Pod): Container[] {
  return [...(spec?.initContainers ?? []).filter(isSidecar), ...(spec?.containers ?? [])];
}

/** What the pod's spec asks for. */
export function allocationOf(pod: Pod): Allocation {
  const whole = pod.spec?.resources === undefined ? [] : [[POD_LEVEL, pod.spec.resources] as const];
  return Object.fromEntries([
    ...resizableContainers(pod).map(({ name, resources = {} }) => [name, resources] as const),
    ...whole,
  ]);
}

/** The containers' part of one, the pod's own part of the other. */
export function withPodLevel(containers: Allocation, whole: Allocation): Allocation {
  return whole[POD_LEVEL] === undefined ? containers : { ...containers, [POD_LEVEL]: whole[POD_LEVEL] };
}

/** Whether what the pod has as a whole differs. */
export function changesPodLevel(before: Allocation, after: Allocation): boolean {
  return changedResources(before[POD_LEVEL], after[POD_LEVEL]).length > 0;
}

/** The pod as if its spec asked for what it has. Containers that have got nothing yet stay as they are. */
export function withAllocation(pod: Pod, allocation: Allocation | undefined): Pod {
  if (allocation === undefined || pod.spec === undefined) return pod;
  const given = (containers: Container[]) =>
    containers.map((container) => {
      const resources = Object.hasOwn(allocation, container.name) ? allocation[container.name] : undefined;
      return resources === undefined || resources === container.resources ? container : { ...container, resources };
    });
  const { initContainers, containers } = pod.spec;
  const sidecars = initContainers?.map((one) => (isSidecar(one) ? (given([one])[0] ?? one) : one));
  const whole = allocation[POD_LEVEL];
  return {
    ...pod,
    spec: {
      ...pod.spec,
      ...(whole !== undefined && { resources: whole }),
      containers: given(containers),
      ...(sidecars !== undefined && { initContainers: sidecars }),
    },
  };
}

/** Which of a container's resources differ. */
export function changedResources(
  before: ResourceRequirements | undefined,
  after: ResourceRequirements | undefined,
): Resizable[] {
  return RESIZABLE.filter((name) =>
    (["requests", "limits"] as const).some(
      (bound) => amountsOf(before?.[bound]).get(name) !== amountsOf(after?.[bound]).get(name),
    ),
  );
}

export function isSameAllocation(before: Allocation, after: Allocation): boolean {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].every((name) => changedResources(before[name], after[name]).length === 0);
}

/** Of each resource the larger amount; no limit is more than any. */
export function largerOf(one: Allocation, other: Allocation): Allocation {
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  return Object.fromEntries(names.map((name) => [name, largerRequirements(one[name] ?? {}, other[name] ?? {})]));
}

function largerRequirements(one: ResourceRequirements, other: ResourceRequirements): ResourceRequirements {
  const larger = (bound: "requests" | "limits", name: string): string | undefined => {
    const [a, b] = [one[bound]?.[name], other[bound]?.[name]];
    if (a === undefined || b === undefined) return bound === "limits" ? undefined : (a ?? b);
    return (amountsOf({ a }).get("a") ?? 0n) > (amountsOf({ b }).get("b") ?? 0n) ? a : b;
  };
  const list = (bound: "requests" | "limits") => {
    const names = [...new Set([...Object.keys(one[bound] ?? {}), ...Object.keys(other[bound] ?? {})])];
    const entries = names.map((name) => [name, larger(bound, name)] as const);
    return Object.fromEntries(entries.filter((entry): entry is readonly [string, string] => entry[1] !== undefined));
  };
  return { requests: list("requests"), limits: list("limits") };
}
