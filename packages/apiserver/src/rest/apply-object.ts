import { applyMergePatch, applyStrategicMergePatch, type KubeObject } from "@kedge/kube";
import { type ApiResponse, jsonResponse } from "../http/api-exchange.ts";
import type { ApiContext } from "./api-context.ts";
import { asVersion } from "./as-version.ts";
import { pruneUnknown } from "./check-object.ts";
import { insertObject } from "./create-object.ts";
import { asObject, parseYamlBody } from "./decode-body.ts";
import { presenterOf } from "./get-object.ts";
import { keyOfRequest, type ResourceRequest } from "./resource-request.ts";
import { badRequest, invalid, notFound } from "./status-error.ts";
import { replaceObject, type WrittenPart } from "./update-object.ts";
import { warningHeaders } from "./warnings.ts";
import { fieldValidationOf, isDryRun } from "./write-options.ts";

/**
 * Server-side apply, as far as it goes without field ownership: creates the object, or merges what was applied into it.
 * What an earlier apply of the same manager set and this one leaves out stays, and there are no conflicts between managers.
 */
export async function applyObject(
  context: ApiContext,
  request: ResourceRequest,
  part: WrittenPart,
): Promise<ApiResponse> {
  const { http, definition, info } = request;
  if ((http.query.get("fieldManager") ?? "") === "")
    throw invalid({ group: "meta.k8s.io", kind: "PatchOptions" }, "", [
      {
        field: "fieldManager",
        reason: "FieldValueRequired",
        message: "Required value: is required for apply patch",
      },
    ]);
  const presenter = presenterOf(context, request);
  const configuration = asObject(parseYamlBody(Buffer.from(http.body).toString("utf8")), definition);
  if (configuration.metadata?.managedFields !== undefined) throw badRequest("metadata.managedFields must be nil");
  const warnings = pruneUnknown(configuration, definition, fieldValidationOf(http.query));
  const { stored, created } = await context.log.write(
    (writer) => {
      const current = writer.get(keyOfRequest(request));
      if (current === undefined) {
        if (part !== "") throw notFound(definition.type, info.name);
        return { stored: insertObject(context, writer, request, configuration), created: true };
      }
      const object = merged(asVersion(current, definition), configuration, request);
      return { stored: replaceObject(context, writer, request, current, object, part), created: false };
    },
    { dryRun: isDryRun(http.query) },
  );
  return jsonResponse(created ? 201 : 200, presenter.one(stored), warningHeaders(warnings));
}

function merged(object: KubeObject, configuration: KubeObject, { definition }: ResourceRequest): KubeObject {
  const { patchSchema } = definition;
  return patchSchema === undefined
    ? applyMergePatch(object, configuration)
    : applyStrategicMergePatch(object, configuration, patchSchema);
}
