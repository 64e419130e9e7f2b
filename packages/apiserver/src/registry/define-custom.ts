import type { CustomResourceDefinition } from "@kedge/kube";
import type { ResourceDefinition } from "../resources/resource-definition.ts";

export function defineFromCrd(_crd: CustomResourceDefinition): ResourceDefinition[] {
  return [];
}
