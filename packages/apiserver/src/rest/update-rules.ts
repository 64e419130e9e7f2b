import type { KubeObject } from "@kedge/kube";
import type { ResourceDefinition } from "../resources/resource-definition.ts";
import { invalid, qualifiedResource } from "./status-error.ts";

/** A PUT of what is not there creates it. As in Kubernetes, which has it so for these and no others. */
const CREATED_ON_UPDATE: ReadonlySet<string> = new Set([
  "clusterrolebindings.rbac.authorization.k8s.io",
  "clusterroles.rbac.authorization.k8s.io",
  "endpoints",
  "events",
  "leases.coordination.k8s.io",
  "limitranges",
  "rolebindings.rbac.authorization.k8s.io",
  "roles.rbac.authorization.k8s.io",
  "runtimeclasses.node.k8s.io",
  "services",
]);

/** A PUT must say which version it replaces; elsewhere it may do without, and then wins. Custom resources, too. */
const VERSION_REQUIRED: ReadonlySet<string> = new Set([
  "csidrivers.storage.k8s.io",
  "csinodes.storage.k8s.io",
  "customresourcedefinitions.apiextensions.k8s.io",
  "leases.coordination.k8s.io",
  "poddisruptionbudgets.policy",
  "runtimeclasses.node.k8s.io",
  "volumeattachments.storage.k8s.io",
]);

export function createsOnUpdate({ type }: ResourceDefinition): boolean {
  return CREATED_ON_UPDATE.has(qualifiedResource(type));
}

/** @throws KubeApiError `Invalid`: this resource is not replaced blindly */
export function checkVersionGiven(object: KubeObject, { type, patchSchema }: ResourceDefinition): void {
  const { resourceVersion = "", name = "" } = object.metadata ?? {};
  if (resourceVersion !== "" && resourceVersion !== "0") return;
  if (patchSchema !== undefined && !VERSION_REQUIRED.has(qualifiedResource(type))) return;
  throw invalid({ group: type.group, kind: type.resource }, name, [
    {
      field: "metadata.resourceVersion",
      reason: "FieldValueInvalid",
      message: "Invalid value: 0: must be specified for an update",
    },
  ]);
}
