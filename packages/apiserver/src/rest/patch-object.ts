import { applyJsonPatch, applyMergePatch, applyStrategicMergePatch, type KubeObject, PatchError } from "@kedge/kube";
import { type ApiResponse, jsonResponse } from "../http/api-exchange.ts";
import type { ResourceDefinition } from "../resources/resource-definition.ts";
import type { ApiContext } from "./api-context.ts";
import { applyObject } from "./apply-object.ts";
import { pruneUnknown } from "./check-object.ts";
import { asObject, contentTypeOf, parseJsonBody } from "./decode-body.ts";
import { presenterOf } from "./get-object.ts";
import type { ResourceRequest } from "./resource-request.ts";
import { asVersion } from "./as-version.ts";
import { badRequest, invalid, unsupportedMediaType } from "./status-error.ts";
import { existing, replaceObject, type WrittenPart } from "./update-object.ts";
import { warningHeaders } from "./warnings.ts";
import { fieldValidationOf, isDryRun } from "./write-options.ts";

export const PATCH_JSON = "application/json-patch+json";
export const PATCH_MERGE = "application/merge-patch+json";
export const PATCH_STRATEGIC = "application/strategic-merge-patch+json";
export const PATCH_APPLY = "application/apply-patch+yaml";

/** `PATCH …/<name>` and `…/<name>/status`; read, patched and written in one transaction, so it never conflicts by itself. */
export async function patchObject(
  context: ApiContext,
  request: ResourceRequest,
  part: WrittenPart,
): Promise<ApiResponse> {
  const { http, definition } = request;
  const contentType = contentTypeOf(http);
  if (contentType === PATCH_APPLY) return applyObject(context, request, part);
  const presenter = presenterOf(context, request);
  const patch = patchReader(contentType, definition, http.body);
  const validation = fieldValidationOf(http.query);
  const { stored, warnings } = await context.log.write(
    (writer) => {
      const current = existing(writer, request);
      const object = asObject(applied(asVersion(current, definition), patch, request), definition);
      const unknown = pruneUnknown(object, definition, validation);
      return { stored: replaceObject(context, writer, request, current, object, part), warnings: unknown };
    },
    { dryRun: isDryRun(http.query) },
  );
  return jsonResponse(200, presenter.one(stored), warningHeaders(warnings));
}

type Patch = (object: KubeObject) => KubeObject;

/** @throws KubeApiError `UnsupportedMediaType`, `BadRequest` */
export function patchReader(
  contentType: string,
  definition: Pick<ResourceDefinition, "patchSchema">,
  bytes: Uint8Array,
): Patch {
  const { patchSchema } = definition;
  const accepted = [PATCH_JSON, PATCH_MERGE, ...(patchSchema === undefined ? [] : [PATCH_STRATEGIC]), PATCH_APPLY];
  if (!accepted.includes(contentType)) throw unsupportedMediaType(accepted.join(", "));
  const body = parseJsonBody(Buffer.from(bytes).toString("utf8"));
  if (contentType === PATCH_JSON) return (object) => applyJsonPatch(object, body);
  if (contentType === PATCH_MERGE) return (object) => applyMergePatch(object, body);
  return (object) => applyStrategicMergePatch(object, body, patchSchema ?? {});
}

/** @throws KubeApiError `BadRequest`: no patch; `Invalid`: it does not fit the object */
export function applied(object: KubeObject, patch: Patch, { definition, info }: ResourceRequest): KubeObject {
  try {
    return patch(object);
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    if (error.code !== "Unappliable") throw badRequest(error.message);
    throw invalid(definition.type, info.name, [
      { field: "patch", reason: "FieldValueInvalid", message: error.message },
    ]);
  }
}
