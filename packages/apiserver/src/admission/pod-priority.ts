import type { KubeObject, Pod } from "@kedge/kube";
import { forbidden } from "../rest/status-error.ts";
import { keyPrefix, storageKey } from "../storage/object-key.ts";
import type { Admission } from "./admit.ts";

const PRIORITY_CLASSES = { group: "scheduling.k8s.io", resource: "priorityclasses" };

interface PriorityClass extends KubeObject {
  readonly value?: number;
  readonly globalDefault?: boolean;
  readonly preemptionPolicy?: string;
}

/** There are always these two, stored or not. */
const SYSTEM_CLASSES: ReadonlyMap<string, PriorityClass> = new Map([
  ["system-node-critical", { value: 2_000_001_000 }],
  ["system-cluster-critical", { value: 2_000_000_000 }],
]);

/** Resolves a pod's priority class into its number; without one, the default class' or 0. */
export function setPodPriority({ writer, request }: Admission, { spec, metadata }: Pod): void {
  if (spec === undefined) return;
  const name = spec.priorityClassName ?? "";
  const chosen =
    name === ""
      ? writer
          .list(keyPrefix(PRIORITY_CLASSES))
          .map(({ object }) => object as PriorityClass)
          .find(({ globalDefault }) => globalDefault === true)
      : ((writer.get(storageKey(PRIORITY_CLASSES, { name }))?.object as PriorityClass | undefined) ??
        SYSTEM_CLASSES.get(name));
  if (name !== "" && chosen === undefined)
    throw forbidden(request.definition.type, metadata?.name ?? "", `no PriorityClass with name ${name} was found`);
  if (chosen?.metadata?.name !== undefined) spec.priorityClassName = chosen.metadata.name;
  const priority = chosen?.value ?? 0;
  if (spec.priority !== undefined && spec.priority !== priority)
    throw forbidden(
      request.definition.type,
      metadata?.name ?? "",
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${priority} from the given PriorityClass name`,
    );
  spec.priority = priority;
  spec.preemptionPolicy ??= chosen?.preemptionPolicy ?? "PreemptLowerPriority";
}
