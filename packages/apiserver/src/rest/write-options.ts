import type { DeleteOptions } from "@kedge/kube";
import { isJsonObject, type KubeApiError } from "@kedge/kube";
import { decodeBody } from "./decode-body.ts";
import { isTrue } from "./request-info.ts";
import type { ResourceRequest } from "./resource-request.ts";
import { countOf } from "./revision-query.ts";
import { badRequest, invalid } from "./status-error.ts";

/** How the query of a write is called where it is wrong. */
const OPTIONS = { group: "meta.k8s.io", kind: "PatchOptions" };

export type FieldValidation = "Ignore" | "Warn" | "Strict";

/** @throws KubeApiError `BadRequest` */
export function isDryRun(query: URLSearchParams, inBody: readonly string[] = []): boolean {
  const values = [...query.getAll("dryRun"), ...inBody].filter((value) => value !== "");
  for (const value of values) if (value !== "All") throw unsupported("dryRun", value, '"All"');
  return values.length > 0;
}

/** @throws KubeApiError `BadRequest` */
export function fieldValidationOf(query: URLSearchParams): FieldValidation {
  const value = query.get("fieldValidation") ?? "";
  if (value === "") return "Warn";
  if (value === "Ignore" || value === "Warn" || value === "Strict") return value;
  throw unsupported("fieldValidation", value, '"Ignore", "Strict", "Warn"');
}

function unsupported(field: string, value: string, supported: string): KubeApiError {
  const message = `Unsupported value: ${JSON.stringify(value.slice(0, 100))}: supported values: ${supported}`;
  return invalid(OPTIONS, "", [{ field, reason: "FieldValueNotSupported", message }]);
}

/** From the body and the query; the body wins. @throws KubeApiError `BadRequest` */
export function deleteOptionsOf({ http }: Pick<ResourceRequest, "http">): DeleteOptions {
  const body = http.body.length === 0 ? {} : decodeBody(http);
  if (!isJsonObject(body)) throw badRequest("DeleteOptions must be an object");
  const { query } = http;
  const grace = countOf(query, "gracePeriodSeconds");
  const policy = query.get("propagationPolicy");
  const orphan = query.get("orphanDependents");
  const options: DeleteOptions = {
    ...(grace === undefined ? {} : { gracePeriodSeconds: grace }),
    ...(policy === null ? {} : { propagationPolicy: policy }),
    ...(orphan === null ? {} : { orphanDependents: isTrue(orphan) }),
    ...(body as DeleteOptions),
  };
  const { gracePeriodSeconds = 0, propagationPolicy = "Background" } = options;
  if (!Number.isSafeInteger(gracePeriodSeconds)) throw badRequest("gracePeriodSeconds must be an integer");
  if (!["Background", "Foreground", "Orphan"].includes(propagationPolicy))
    throw unsupported("propagationPolicy", propagationPolicy, '"Background", "Foreground", "Orphan"');
  return options;
}
