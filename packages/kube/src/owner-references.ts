import type { OwnerReference } from "kubernetes-types/meta/v1.js";
import { apiVersionOf, type KubeObject, type ResourceType } from "./kube-object.ts";

/** The owner that manages this object, if any; there is at most one. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata?.ownerReferences?.find((owner) => owner.controller === true);
}

/** Whether `owner` manages `object`: by uid, so that a namesake created later does not. */
export function isControlledBy(object: KubeObject, owner: KubeObject): boolean {
  const uid = owner.metadata?.uid;
  return uid !== undefined && controllerOf(object)?.uid === uid;
}

/** A reference to put into what `owner` manages; deletion of the owner in the foreground waits for it. */
export function controllerReference(owner: KubeObject, type: ResourceType): OwnerReference {
  const { name = "", uid = "" } = owner.metadata ?? {};
  return { apiVersion: apiVersionOf(type), kind: type.kind, name, uid, controller: true, blockOwnerDeletion: true };
}
