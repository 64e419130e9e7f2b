import { apiVersionOf, type KubeObject } from "@kedge/kube";
import type { ResourceDefinition } from "../resources/resource-definition.ts";
import type { StoredObject } from "../storage/stored-object.ts";

/** A copy as the version asked for shows it: versions of a resource differ in nothing but their name. */
export function asVersion(stored: StoredObject, definition: ResourceDefinition): KubeObject {
  const object = stored.copy();
  object.apiVersion = apiVersionOf(definition.type);
  return object;
}
