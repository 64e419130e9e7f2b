import type { ObjectKey, ResourceType } from "@kedge/kube";

/**
 * What all keys of a resource begin with. The version is no part of it: versions are views of the same objects.
 *
 * @param namespace only this namespace; absent or empty: all.
 */
export function keyPrefix({ group, resource }: Pick<ResourceType, "group" | "resource">, namespace = ""): string {
  const prefix = `${group === "" ? "core" : group}/${resource}/`;
  return namespace === "" ? prefix : `${prefix}${namespace}/`;
}

/** Where one object is stored: `apps/deployments/default/web`, `core/nodes/edge-1`. */
export function storageKey(type: Pick<ResourceType, "group" | "resource">, { namespace, name }: ObjectKey): string {
  return keyPrefix(type, namespace) + name;
}

/** The {@link keyPrefix} of the resource that this key is of. */
export function resourcePrefixOf(key: string): string {
  return key.slice(0, key.indexOf("/", key.indexOf("/") + 1) + 1);
}
