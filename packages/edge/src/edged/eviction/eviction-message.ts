import { formatQuantity, type Pod, quantityOf } from "@kedge/kube";
import { formatBytes, quantityValue } from "../resources/quantity.ts";
import { type EvictionSignal, type Observations, SIGNALS } from "./eviction-signals.ts";
import { amountOf, type Threshold } from "./eviction-thresholds.ts";
import type { ContainerUsage, PodUsage } from "./pod-usage.ts";

/** Why a pod was evicted, in a kubelet's words. */
export function evictionMessage(
  pod: Pod,
  signal: EvictionSignal,
  due: readonly Threshold[],
  observations: Observations,
  usage: PodUsage | undefined,
): string {
  const { resource } = SIGNALS[signal];
  const parts = [`The node was low on resource: ${resource}. `];
  const met = due.find((threshold) => SIGNALS[threshold.signal].resource === resource);
  const observed = met === undefined ? undefined : observations[met.signal];
  if (met !== undefined && observed !== undefined) {
    const { format } = SIGNALS[met.signal];
    const write = (amount: number) => formatQuantity(quantityOf(Math.floor(amount), format));
    const quantity = write(amountOf(met.value, observed.capacity));
    parts.push(`Threshold quantity: ${quantity}, available: ${write(observed.available)}. `);
  }
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  for (const one of usage?.containers ?? []) {
    const container = containers.find(({ name }) => name === one.name);
    const used = container === undefined ? undefined : usedOf(one, resource);
    if (container === undefined || used === undefined) continue;
    const requested = container.resources?.requests?.[resource] ?? "0";
    if (used <= quantityValue(requested)) continue;
    parts.push(
      `Container ${one.name} was using ${formatBytes(used)}, request is ${requested}, has larger consumption of ${resource}. `,
    );
  }
  return parts.join("");
}

function usedOf({ memoryBytes, rootBytes, logBytes }: ContainerUsage, resource: string): number | undefined {
  if (resource === "memory") return memoryBytes;
  return resource === "ephemeral-storage" ? rootBytes + logBytes : undefined;
}
