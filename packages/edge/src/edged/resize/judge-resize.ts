import type { Pod } from "@kedge/kube";
import { podRequests } from "../resources/pod-resources.ts";
import { qosClassOf } from "../resources/qos-class.ts";
import { parseNano } from "../resources/quantity.ts";
import { isStaticPod } from "../static-pods/static-pod-annotations.ts";
import { allocationOf, changedResources } from "./pod-allocation.ts";

export interface ResizeFacts {
  /** Pods that hold resources of this node, with what each has. */
  readonly others: readonly Pod[];
  readonly allocatable: Readonly<Record<string, string>>;
  /** Guaranteed pods may have CPUs of their own. */
  readonly exclusiveCpus: boolean;
}

/** Why a pod does not get what its spec asks for: never on this node, or not now. */
export interface ResizeRefusal {
  readonly reason: "Infeasible" | "Deferred";
  readonly message: string;
}

/** @param desired as its spec asks. @param allocated as it is. */
export function judgeResize(
  desired: Pod,
  allocated: Pod,
  { others, allocatable, exclusiveCpus }: ResizeFacts,
): ResizeRefusal | undefined {
  if (isStaticPod(desired)) return infeasible("In-place resize of static-pods is not supported");
  if (exclusiveCpus && qosClassOf(desired) === "Guaranteed" && changesCpu(desired, allocated))
    return infeasible('Resize is infeasible for Guaranteed Pods alongside CPU Manager policy "static"');
  const wanted = podRequests(desired);
  for (const name of ["cpu", "memory"]) {
    const quantity = allocatable[name];
    const amount = wanted.get(name) ?? 0n;
    if (quantity === undefined || amount <= (podRequests(allocated).get(name) ?? 0n)) continue;
    const capacity = parseNano(quantity);
    const [asked, most] = [toUnit(name, amount), toUnit(name, capacity)];
    if (amount > capacity)
      return infeasible(`Node didn't have enough capacity: ${name}, requested: ${asked}, capacity: ${most}`);
    const used = others.reduce((sum, other) => sum + (podRequests(other).get(name) ?? 0n), 0n);
    if (used + amount > capacity)
      return {
        reason: "Deferred",
        message: `Node didn't have enough resource: ${name}, requested: ${asked}, used: ${toUnit(name, used)}, capacity: ${most}`,
      };
  }
  return undefined;
}

function infeasible(message: string): ResizeRefusal {
  return { reason: "Infeasible", message };
}

function changesCpu(desired: Pod, allocated: Pod): boolean {
  const [before, after] = [allocationOf(allocated), allocationOf(desired)];
  return Object.keys(after).some((name) => changedResources(before[name], after[name]).includes("cpu"));
}

/** CPU is told in thousandths, memory in bytes. */
function toUnit(resource: string, nano: bigint): bigint {
  return nano / (resource === "cpu" ? 1_000_000n : 1_000_000_000n);
}
