import { apiVersionOf, type KubeObject } from "@kedge/kube";
import type { ResourceDefinition } from "../resources/resource-definition.ts";
import type { StoredObject } from "../storage/stored-object.ts";

type Members = Record<string, unknown>;

/** Events have two versions whose fields differ in name alone: `v1` and `events.k8s.io/v1`. */
const EVENT_FIELDS: readonly (readonly [core: string, events: string])[] = [
  ["involvedObject", "regarding"],
  ["message", "note"],
  ["firstTimestamp", "deprecatedFirstTimestamp"],
  ["lastTimestamp", "deprecatedLastTimestamp"],
  ["count", "deprecatedCount"],
  ["source", "deprecatedSource"],
  ["reportingComponent", "reportingController"],
];

/** A copy as the version asked for shows it. Other versions of one resource differ in nothing but their own name. */
export function asVersion(
  stored: StoredObject,
  { type, storageType }: Pick<ResourceDefinition, "type" | "storageType">,
): KubeObject {
  const object = stored.copy();
  if (storageType !== undefined) renameFields(object as Members, EVENT_FIELDS);
  object.apiVersion = apiVersionOf(type);
  object.kind = type.kind;
  return object;
}

/** The inverse for what is about to be stored. @param object changed in place */
export function asStored(object: KubeObject, { storageType }: Pick<ResourceDefinition, "storageType">): KubeObject {
  if (storageType === undefined) return object;
  renameFields(
    object as Members,
    EVENT_FIELDS.map(([core, events]) => [events, core] as const),
  );
  object.apiVersion = apiVersionOf(storageType);
  object.kind = storageType.kind;
  return object;
}

function renameFields(object: Members, names: readonly (readonly [from: string, to: string])[]): void {
  for (const [from, to] of names)
    if (object[from] !== undefined) {
      object[to] = object[from];
      delete object[from];
    }
}
