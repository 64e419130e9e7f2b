import { equalJson, type Pod, type RuntimeClass, type Toleration } from "@kedge/kube";
import { forbidden } from "../rest/status-error.ts";
import { storageKey } from "../storage/object-key.ts";
import type { Admission } from "./admit.ts";

const RUNTIME_CLASSES = { group: "node.k8s.io", resource: "runtimeclasses" };

/** What a class of runtimes costs, and where it is found, becomes part of each of its pods. */
export function setPodRuntimeClass({ writer, request }: Admission, { spec, metadata }: Pod): void {
  if (spec === undefined) return;
  const refuse = (why: string) => forbidden(request.definition.type, metadata?.name ?? "", why);
  const name = spec.runtimeClassName ?? "";
  const found = name === "" ? undefined : writer.get(storageKey(RUNTIME_CLASSES, { name }))?.object;
  if (name !== "" && found === undefined) throw refuse(`pod rejected: RuntimeClass ${JSON.stringify(name)} not found`);
  const { overhead, scheduling } = (found ?? {}) as Partial<RuntimeClass>;
  const cost = overhead?.podFixed;
  if (cost === undefined && spec.overhead !== undefined)
    throw refuse("pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead");
  if (cost !== undefined) {
    if (spec.overhead !== undefined && !equalJson(spec.overhead, cost))
      throw refuse("pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
    spec.overhead = cost;
  }
  for (const [key, value] of Object.entries(scheduling?.nodeSelector ?? {})) {
    const own = spec.nodeSelector?.[key];
    if (own !== undefined && own !== value)
      throw refuse(
        `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`,
      );
    spec.nodeSelector = { ...spec.nodeSelector, [key]: value };
  }
  const isThere = (toleration: Toleration) => spec.tolerations?.some((own) => equalJson(own, toleration)) === true;
  const more = (scheduling?.tolerations ?? []).filter((toleration) => !isThere(toleration));
  if (more.length > 0) spec.tolerations = [...(spec.tolerations ?? []), ...more];
}
