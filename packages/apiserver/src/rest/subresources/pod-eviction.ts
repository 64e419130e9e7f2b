import {
  type DeleteOptions,
  isJsonObject,
  type KubeObject,
  type LabelSelector,
  type Pod,
  selectorMatches,
} from "@kedge/kube";
import { type ApiResponse, jsonResponse } from "../../http/api-exchange.ts";
import { keyPrefix } from "../../storage/object-key.ts";
import type { LogWriter } from "../../storage/revision-log.ts";
import type { ApiContext } from "../api-context.ts";
import { decodeBody } from "../decode-body.ts";
import { removeObject } from "../delete-object.ts";
import type { ResourceRequest } from "../resource-request.ts";
import { badRequest, tooManyRequests } from "../status-error.ts";
import { existing } from "../update-object.ts";
import { isDryRun } from "../write-options.ts";

const BUDGETS = { group: "policy", resource: "poddisruptionbudgets" };

interface DisruptionBudget extends KubeObject {
  readonly spec?: { readonly selector?: LabelSelector };
  readonly status?: { readonly disruptionsAllowed?: number };
}

/** `POST pods/<name>/eviction`: a deletion that a PodDisruptionBudget may refuse. */
export async function evictPod(context: ApiContext, request: ResourceRequest): Promise<ApiResponse> {
  const { http } = request;
  const body = decodeBody(http);
  if (!isJsonObject(body)) throw badRequest("the body must be an Eviction");
  const options = (body["deleteOptions"] ?? {}) as DeleteOptions;
  await context.log.write(
    (writer) => {
      const current = existing(writer, request);
      checkBudgets(writer, request, current.object as Pod);
      removeObject(context, writer, request, current, options);
    },
    { dryRun: isDryRun(http.query, options.dryRun) },
  );
  return jsonResponse(201, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 });
}

function checkBudgets(writer: LogWriter, { info }: ResourceRequest, pod: Pod): void {
  if (pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed") return;
  for (const { object } of writer.list(keyPrefix(BUDGETS, info.namespace))) {
    const { metadata, spec, status } = object as DisruptionBudget;
    if (!selectorMatches(spec?.selector, pod.metadata?.labels)) continue;
    if ((status?.disruptionsAllowed ?? 0) > 0) continue;
    throw tooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 10, [
      {
        reason: "DisruptionBudget",
        message: `The disruption budget ${metadata?.name ?? ""} allows no further disruption now`,
      },
    ]);
  }
}
