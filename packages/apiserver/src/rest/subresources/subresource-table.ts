import type { ResourceDefinition } from "../../resources/resource-definition.ts";
import type { ApiResponse } from "../../http/api-exchange.ts";
import type { ApiContext } from "../api-context.ts";
import { getObject } from "../get-object.ts";
import { patchObject } from "../patch-object.ts";
import type { ResourceRequest } from "../resource-request.ts";
import { methodNotAllowed, qualifiedResource } from "../status-error.ts";
import { updateObject } from "../update-object.ts";
import { addEphemeralContainers } from "./ephemeral-containers.ts";
import { approveCertificate, finalizeNamespace } from "./parts.ts";
import { proxyNode } from "./node-proxy.ts";
import { bindPod } from "./pod-binding.ts";
import { evictPod } from "./pod-eviction.ts";
import { podLog, podStream } from "./pod-streams.ts";
import { resizePod } from "./resize-pod.ts";
import { handleScale } from "./scale.ts";
import { issueToken } from "./service-account-token.ts";

export type ResourceHandler = (context: ApiContext, request: ResourceRequest) => ApiResponse | Promise<ApiResponse>;

/** One subresource as discovery shows it. */
export interface SubresourceInfo {
  readonly name: string;
  readonly verbs: readonly string[];
  /** Of what it takes and gives, where that is not the resource itself. */
  readonly kind?: string;
  readonly group?: string;
  readonly version?: string;
}

interface Subresource extends SubresourceInfo {
  readonly handle: ResourceHandler;
}

const READ_WRITE = ["get", "patch", "update"];
/** A WebSocket begins with GET, SPDY with POST. */
const CONNECT = ["create", "get"];

const STATUS: Subresource = { name: "status", verbs: READ_WRITE, handle: handleStatus };
const SCALE: Subresource = {
  name: "scale",
  verbs: READ_WRITE,
  kind: "Scale",
  group: "autoscaling",
  version: "v1",
  handle: handleScale,
};

/** Subresources of single built-in resources, by the resource's qualified name. */
const OF_RESOURCE: Readonly<Record<string, readonly Subresource[]>> = {
  pods: [
    { name: "attach", verbs: CONNECT, kind: "PodAttachOptions", handle: podStream("attach") },
    { name: "exec", verbs: CONNECT, kind: "PodExecOptions", handle: podStream("exec") },
    { name: "log", verbs: ["get"], handle: podLog },
    { name: "portforward", verbs: CONNECT, kind: "PodPortForwardOptions", handle: podStream("portforward") },
    { name: "binding", verbs: ["create"], kind: "Binding", handle: bindPod },
    { name: "ephemeralcontainers", verbs: READ_WRITE, handle: addEphemeralContainers },
    { name: "resize", verbs: READ_WRITE, handle: resizePod },
    { name: "eviction", verbs: ["create"], kind: "Eviction", group: "policy", version: "v1", handle: evictPod },
  ],
  serviceaccounts: [
    {
      name: "token",
      verbs: ["create"],
      kind: "TokenRequest",
      group: "authentication.k8s.io",
      version: "v1",
      handle: issueToken,
    },
  ],
  nodes: [{ name: "proxy", verbs: ["create", "get"], kind: "NodeProxyOptions", handle: proxyNode }],
  namespaces: [{ name: "finalize", verbs: ["update"], handle: finalizeNamespace }],
  "certificatesigningrequests.certificates.k8s.io": [
    { name: "approval", verbs: READ_WRITE, handle: approveCertificate },
  ],
};

/** All subresources that this resource has. */
export function subresourcesOf(definition: ResourceDefinition): readonly Subresource[] {
  return [
    ...(OF_RESOURCE[qualifiedResource(definition.type)] ?? []),
    ...(definition.scale === undefined ? [] : [SCALE]),
    ...(definition.hasStatus ? [STATUS] : []),
  ];
}

function handleStatus(context: ApiContext, request: ResourceRequest): ApiResponse | Promise<ApiResponse> {
  switch (request.info.verb) {
    case "get":
      return getObject(context, request);
    case "update":
      return updateObject(context, request, "status");
    case "patch":
      return patchObject(context, request, "status");
    default:
      throw methodNotAllowed(request.definition.type);
  }
}
