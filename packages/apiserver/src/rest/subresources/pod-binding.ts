import { isJsonObject, type Pod, type PodStatus } from "@kedge/kube";
import { type ApiResponse, jsonResponse } from "../../http/api-exchange.ts";
import type { ApiContext } from "../api-context.ts";
import { decodeBody } from "../decode-body.ts";
import type { ResourceRequest } from "../resource-request.ts";
import { badRequest, conflict } from "../status-error.ts";
import { timestamp } from "../timestamp.ts";
import { existing } from "../update-object.ts";
import { isDryRun } from "../write-options.ts";

interface Binding {
  readonly metadata?: {
    readonly uid?: string;
    readonly annotations?: Record<string, string>;
    readonly labels?: Record<string, string>;
  };
  readonly target?: { readonly kind?: string; readonly name?: string };
}

/** How Kubernetes calls it in messages. */
const BINDING = { group: "", resource: "pods/binding" };

/** `POST pods/<name>/binding`: the scheduler's choice of a node, made once. */
export async function bindPod(context: ApiContext, request: ResourceRequest): Promise<ApiResponse> {
  const { http, info } = request;
  const body = decodeBody(http);
  if (!isJsonObject(body)) throw badRequest("the body must be a Binding");
  const { target, metadata } = body as Binding;
  const nodeName = target?.name ?? "";
  if (nodeName === "" || (target?.kind ?? "Node") !== "Node") throw badRequest("a Binding needs a Node as its target");
  await context.log.write(
    (writer) => {
      const current = existing(writer, request);
      const pod = current.copy() as Pod & { status?: PodStatus };
      const uid = pod.metadata?.uid ?? "";
      if (metadata?.uid !== undefined && metadata.uid !== "" && metadata.uid !== uid)
        throw conflict(
          BINDING,
          info.name,
          `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${uid}`,
        );
      if (pod.spec === undefined) throw badRequest(`pod ${info.name} has no spec`);
      if (pod.metadata?.deletionTimestamp !== undefined)
        throw conflict(BINDING, info.name, `pod ${info.name} is being deleted, cannot be assigned to a host`);
      if ((pod.spec.nodeName ?? "") !== "")
        throw conflict(BINDING, info.name, `pod ${info.name} is already assigned to node "${pod.spec.nodeName ?? ""}"`);
      pod.spec.nodeName = nodeName;
      pod.metadata = { ...pod.metadata, annotations: { ...pod.metadata?.annotations, ...metadata?.annotations } };
      if (Object.keys(pod.metadata.annotations ?? {}).length === 0) delete pod.metadata.annotations;
      const conditions = (pod.status?.conditions ?? []).filter(({ type }) => type !== "PodScheduled");
      const lastTransitionTime = timestamp(context.clock.now());
      pod.status = {
        ...pod.status,
        // The type of `lastProbeTime` does not know that it may be null, which is what Kubernetes writes.
        conditions: [
          ...conditions,
          { type: "PodScheduled", status: "True", lastProbeTime: null as never, lastTransitionTime },
        ],
      };
      return writer.update(current.key, pod);
    },
    { dryRun: isDryRun(http.query) },
  );
  return jsonResponse(201, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 });
}
