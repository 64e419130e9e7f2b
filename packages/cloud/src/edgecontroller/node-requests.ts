import { type Node, NODES, type NodeStatus } from "@kedge/kube";
import { okAnswer } from "@kedge/protocol";
import { CLOUDCORE_ANNOTATION, SESSION_ANNOTATION } from "../cloudhub/session-mark.ts";
import { asReported, KUBELET_ENDPOINT_ANNOTATION, withReported } from "../cloudstream/node-endpoint.ts";
import {
  badRequest,
  forbidden,
  objectContent,
  patchContent,
  type UpstreamDeps,
  type UpstreamHandler,
  type UpstreamRequest,
  withoutEmptyTimes,
  withoutManagedFields,
} from "./upstream-request.ts";

/** Labels with this prefix say what a node is trusted with: only administrators may set them. */
const RESTRICTED_PREFIX = "node-restriction.kubernetes.io/";

/** With these it would be given what only the cluster's heart may run. */
const RESERVED_LABELS: ReadonlySet<string> = new Set([
  "node-role.kubernetes.io/control-plane",
  "node-role.kubernetes.io/master",
]);
/** Say where a node is connected: cloudcore's to write. */
const CLOUD_ANNOTATIONS: ReadonlySet<string> = new Set([
  CLOUDCORE_ANNOTATION,
  SESSION_ANNOTATION,
  KUBELET_ENDPOINT_ANNOTATION,
]);

/** @throws KubeApiError `Forbidden`: a node speaks only for itself. */
function expectItself({ node, key, type }: UpstreamRequest): void {
  if (key.name !== node) throw forbidden(`node ${node} may not change ${type} ${key.name}`);
}

/** @throws KubeApiError `Forbidden` also for what would drop labels that it does not name: `null`, and `$patch` and its like. */
function expectAllowedLabels(node: string, labels: unknown): void {
  if (labels === undefined) return;
  if (typeof labels !== "object" || labels === null) throw forbidden(`node ${node} may not replace all its labels`);
  for (const label of Object.keys(labels))
    if (label.startsWith(RESTRICTED_PREFIX) || label.startsWith("$") || RESERVED_LABELS.has(label))
      throw forbidden(`node ${node} may not set the label ${label}`);
}

/** Without those that are not a node's; what remains of something else than an object is for the API server to judge. */
function ownAnnotations<T>(annotations: T): T {
  if (typeof annotations !== "object" || annotations === null || Array.isArray(annotations)) return annotations;
  return Object.fromEntries(Object.entries(annotations).filter(([name]) => !CLOUD_ANNOTATIONS.has(name))) as T;
}

/**
 * KubeEdge creates the node without its `kubernetes.io` labels and adds them with a second request, whose failure nobody
 * hears of. We create it in one: there is no moment at which it lacks its labels.
 */
export const registerNode: UpstreamHandler = {
  may: "register itself, without labels that only administrators may give",
  answer: "object",
  async run(request, { kube, address }, signal) {
    expectItself(request);
    const node = withoutEmptyTimes(objectContent<Node>(request));
    const { metadata } = node;
    if (metadata?.name !== request.node)
      throw forbidden(`node ${request.node} may not register as ${metadata?.name ?? ""}`);
    expectAllowedLabels(request.node, metadata.labels ?? {});
    const { ownerReferences: _owners, finalizers: _finalizers, ...kept } = metadata;
    const annotations = { ...ownAnnotations(metadata.annotations), [CLOUDCORE_ANNOTATION]: address };
    return withoutManagedFields(await kube.create(NODES, { ...node, metadata: { ...kept, annotations } }, signal));
  },
};

/** Of older edges: only labels and annotations count. An error is not answered. */
export const updateNode: UpstreamHandler = {
  may: "change its own labels and annotations",
  answer: "none",
  async run(request, { kube, send }, signal) {
    expectItself(request);
    const { metadata } = objectContent<Node>(request);
    expectAllowedLabels(request.node, metadata?.labels ?? {});
    const body = {
      metadata: { labels: metadata?.labels ?? {}, annotations: ownAnnotations(metadata?.annotations ?? {}) },
    };
    const node = await kube.patch(NODES, { name: request.node }, { type: "merge", body }, signal);
    send(okAnswer(request.node, request.message, { resourceVersion: node.metadata?.resourceVersion }));
    return undefined;
  },
};

/** The status subresource takes changes of metadata, too: not everything there is a node's to change. */
export const patchNodeStatus: UpstreamHandler = {
  may: "report its own status",
  answer: "versioned",
  async run(request, { kube, view }, signal) {
    expectItself(request);
    const patch = patchContent(request);
    const metadata = (patch["metadata"] ?? {}) as Record<string, unknown>;
    expectAllowedLabels(request.node, metadata["labels"]);
    const { uid, labels, annotations } = metadata;
    const body = {
      metadata: { uid, labels, annotations: ownAnnotations(annotations) },
      // Where others reach it is cloudcore's to say; of what the node reports of that, note is taken.
      ...(patch["status"] !== undefined && { status: withReported(view.node(request.node), patch["status"]) }),
    };
    const options = { subresource: "status" };
    const node = await kube.patch(NODES, { name: request.node }, { type: "strategic", body }, signal, options);
    return withoutManagedFields(asReported(node));
  },
};

/** Of older edges. The answer is about the node, not about its status. */
export const createNodeStatus: UpstreamHandler = {
  may: "register itself, as older edges do",
  answer: "none",
  async run(request, deps, signal) {
    await registerNode.run(request, deps, signal);
    answerNodeStatus(request, deps);
    return undefined;
  },
};

/** Of older edges: `{"UID","Status","ExtendResources"}`; extended resources are part of the status today. */
export const updateNodeStatus: UpstreamHandler = {
  may: "replace its own status, as older edges do",
  answer: "none",
  async run(request, deps, signal) {
    expectItself(request);
    const { Status } = objectContent(request) as { Status?: NodeStatus };
    if (typeof Status !== "object" || Status === null) throw badRequest("a node status must carry Status");
    const status = withReported(deps.view.node(request.node), Status) as NodeStatus;
    const addresses = status.addresses?.filter((address) => !("$patch" in address)); // that is of the other kind of patch
    const patch = { type: "merge", body: { status: { ...status, ...(addresses && { addresses }) } } } as const;
    await deps.kube.patch(NODES, { name: request.node }, patch, signal, { subresource: "status" });
    answerNodeStatus(request, deps);
    return undefined;
  },
};

function answerNodeStatus({ node, message, key }: UpstreamRequest, { send }: UpstreamDeps): void {
  send(okAnswer(node, message, { resource: `${key.namespace ?? "null"}/node/${key.name}` }));
}

/** Current edges know their own node; older ones ask. */
export const queryNode: UpstreamHandler = {
  may: "read itself",
  answer: "bare",
  async run(request, { kube, view }, signal) {
    expectItself(request);
    const node = view.node(request.node) ?? withoutManagedFields(await kube.get(NODES, { name: request.node }, signal));
    return asReported(node);
  },
};
