import type { KubeObject } from "@kedge/kube";
import { type ApiResponse, jsonResponse } from "../../http/api-exchange.ts";
import type { ApiContext } from "../api-context.ts";
import { asVersion } from "../as-version.ts";
import { asObject, contentTypeOf, decodeBody } from "../decode-body.ts";
import { mayBeRemoved } from "../delete-plan.ts";
import { getObject, presenterOf } from "../get-object.ts";
import { applied, patchReader } from "../patch-object.ts";
import type { ResourceRequest } from "../resource-request.ts";
import { conflict, methodNotAllowed, MODIFIED_SINCE } from "../status-error.ts";
import { existing } from "../update-object.ts";
import { isDryRun } from "../write-options.ts";

/** Takes over from `next` what this subresource is about, and nothing else. @param object in place */
export type TakePart = (object: KubeObject, next: KubeObject, context: ApiContext) => void;

/** A subresource that shows the whole object and writes one part of it. */
export function partOfObject(take: TakePart): (context: ApiContext, request: ResourceRequest) => Promise<ApiResponse> {
  return async (context, request) => {
    const { http, info, definition } = request;
    if (info.verb === "get") return getObject(context, request);
    const presenter = presenterOf(context, request);
    let next: (present: KubeObject) => KubeObject;
    if (info.verb === "patch") {
      const patch = patchReader(contentTypeOf(http), definition, http.body);
      next = (present) => applied(present, patch, request);
    } else if (info.verb === "update") {
      const body = asObject(decodeBody(http), definition);
      next = () => body;
    } else throw methodNotAllowed(definition.type);
    const stored = await context.log.write(
      (writer) => {
        const current = existing(writer, request);
        const wanted = next(asVersion(current, definition));
        const version = wanted.metadata?.resourceVersion ?? "";
        if (version !== "" && version !== String(current.revision))
          throw conflict(definition.type, info.name, MODIFIED_SINCE);
        const object = current.copy();
        take(object, wanted, context);
        return mayBeRemoved(object) ? writer.delete(current.key, object) : writer.update(current.key, object);
      },
      { dryRun: isDryRun(http.query) },
    );
    return jsonResponse(200, presenter.one(stored));
  };
}
