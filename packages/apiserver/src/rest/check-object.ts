import type { KubeObject } from "@kedge/kube";
import { hasCode } from "@kedge/runtime";
import type { FieldError, ResourceDefinition } from "../resources/resource-definition.ts";
import { inertWarnings } from "./inert-kinds.ts";
import { badRequest, invalid } from "./status-error.ts";
import type { FieldValidation } from "./write-options.ts";

/** Drops what the schema does not know. @returns warnings. @throws KubeApiError `BadRequest` when asked to be strict */
export function pruneUnknown(
  object: KubeObject,
  definition: ResourceDefinition,
  validation: FieldValidation,
): string[] {
  const { kind, version } = definition.type;
  const refuse = (because: string) =>
    badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: ${because}`);
  let unknown: string[];
  try {
    unknown = definition.prune(object).map((path) => `unknown field "${path}"`);
  } catch (error) {
    throw hasCode(error, "BadType") ? refuse(error.message) : error;
  }
  if (unknown.length > 0 && validation === "Strict") throw refuse(`strict decoding error: ${unknown.join(", ")}`);
  const known = [...(definition.warnings?.(object) ?? []), ...inertWarnings(definition.type)];
  return [...(validation === "Warn" ? unknown : []), ...known];
}

/** @throws KubeApiError `Invalid` with a cause for each field */
export function checkValid(object: KubeObject, old: KubeObject | undefined, definition: ResourceDefinition): void {
  const errors: FieldError[] = [...definition.validate(object, old), ...deletionErrors(object, old)];
  if (errors.length > 0) throw invalid(definition.type, object.metadata?.name ?? "", errors);
}

/** While an object goes away, finalizers may be removed but not added. */
function deletionErrors({ metadata }: KubeObject, old: KubeObject | undefined): FieldError[] {
  if (old?.metadata?.deletionTimestamp === undefined) return [];
  const before = new Set(old.metadata.finalizers);
  const added = (metadata?.finalizers ?? []).filter((finalizer) => !before.has(finalizer));
  if (added.length === 0) return [];
  const message = `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((name) => JSON.stringify(name)).join(", ")}}`;
  return [{ field: "metadata.finalizers", reason: "FieldValueForbidden", message }];
}
