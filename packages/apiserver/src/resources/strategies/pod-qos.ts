import { parseQuantity, type PodSpec } from "@kedge/kube";

const COMPUTE = ["cpu", "memory"] as const;

/**
 * The quality of service class: `Guaranteed` if every container limits CPU and memory and requests just that,
 * `BestEffort` if none asks for anything, else `Burstable`.
 */
export function qosClassOf(spec: PodSpec): "Guaranteed" | "Burstable" | "BestEffort" {
  const containers = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  let asksForAny = false;
  let guaranteed = true;
  for (const { resources } of containers)
    for (const name of COMPUTE) {
      const request = positive(resources?.requests?.[name]);
      const limit = positive(resources?.limits?.[name]);
      if (request !== undefined || limit !== undefined) asksForAny = true;
      if (limit === undefined || (request ?? limit) !== limit) guaranteed = false;
    }
  if (!asksForAny) return "BestEffort";
  return guaranteed ? "Guaranteed" : "Burstable";
}

function positive(quantity: string | undefined): bigint | undefined {
  if (quantity === undefined) return undefined;
  const { nanos } = parseQuantity(quantity);
  return nanos > 0n ? nanos : undefined;
}
