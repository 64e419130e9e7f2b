import type {
  CertificateSigningRequest,
  CSINode,
  DeleteOptions,
  Event,
  Lease,
  Node,
  ObjectKey,
  Pod,
  TokenRequest,
} from "@kedge/kube";
import { Group, OK, Operation, Source } from "./catalogue.ts";
import { type Message, newMessage } from "./message.ts";
import { K8S_CA_RESOURCE } from "./messages-to-edge.ts";
import { formatResource } from "./resource-path.ts";

/** What the edge says. @see `cloud-edge-protocol` §4.6.1, §4.6.2, §4.6.4, §4.10 */

const LEASE_NAMESPACE = "kube-node-lease";

/** Sent right after connecting and then every heartbeat; never answered. */
export function keepalive(): Message {
  return newMessage({
    source: Source.websocket,
    group: Group.resource,
    operation: Operation.keepalive,
    resource: "node",
    content: "ping",
  });
}

/** Says that what `message` asks for is stored for good. */
export function acknowledge(message: Message): Message {
  const { source = "", group = "", resource = "" } = message.route;
  return newMessage({
    source,
    group,
    operation: Operation.response,
    resource,
    content: OK,
    parentId: message.header.msg_id,
  });
}

/** Says that what `message` asks for failed. A stock cloud only logs it, and repeats the message. */
export function processingError(message: Message, reason: string): Message {
  const { group = "", resource = "" } = message.route;
  return newMessage({
    source: Source.metaManager,
    group,
    operation: Operation.error,
    resource,
    content: reason,
    parentId: message.header.msg_id,
  });
}

function fromEdged(operation: string, resource: string, content: unknown): Message {
  return newMessage({ source: Source.edged, group: Group.meta, operation, resource, content });
}

/** Answered by an ObjectResp; `AlreadyExists` means that the node is known. */
export function registerNode(node: Node): Message {
  return fromEdged(Operation.insert, formatResource("node", { name: node.metadata?.name ?? "" }), node);
}

/** @param patch a strategic merge patch of `status`, as JSON text. Answered by an ObjectResp. */
export function patchNodeStatus(name: string, patch: string): Message {
  return fromEdged(Operation.patch, formatResource("nodepatch", { name }), patch);
}

/** @param patch a strategic merge patch of `metadata.uid` and `status`, as JSON text. Answered by an ObjectResp. */
export function patchPodStatus(key: ObjectKey, patch: string): Message {
  return fromEdged(Operation.patch, formatResource("podpatch", key), patch);
}

/** A mirror of a static pod. Answered by an ObjectResp. */
export function createPod(pod: Pod): Message {
  const { namespace, name = "" } = pod.metadata ?? {};
  return fromEdged(Operation.insert, formatResource("pod", { namespace, name }), pod);
}

/** Answered by `OK`, also if the pod is gone already. */
export function deletePod(key: ObjectKey, options: DeleteOptions): Message {
  return fromEdged(Operation.delete, formatResource("pod", key), options);
}

/** What a node says of a claim whose volume has grown. */
export interface ClaimSize {
  /** The claim's. */
  readonly uid: string;
  /** A quantity. */
  readonly storage: string;
}

/** What a node may ask for; `volumeattachment` and `certificatesigningrequest` travel with the namespace `default`. */
export type QueriedType =
  | "configmap"
  | "secret"
  | "persistentvolume"
  | "persistentvolumeclaim"
  | "volumeattachment"
  /** Only of a cloud of ours. */
  | "csidriver"
  /** Likewise. */
  | "runtimeclass"
  | "certificatesigningrequest";

const SENT_WITH_DEFAULT_NAMESPACE: ReadonlySet<string> = new Set(["volumeattachment", "certificatesigningrequest"]);

function queryKey(type: string, key: ObjectKey): ObjectKey {
  return SENT_WITH_DEFAULT_NAMESPACE.has(type) ? { namespace: "default", name: key.name } : key;
}

/** Answered by the bare object. */
export function queryObject(type: QueriedType, key: ObjectKey): Message {
  return fromEdged(Operation.query, formatResource(type, queryKey(type, key)), null);
}

/**
 * Asks a cloud of ours to make the node's CSINode list these drivers; `partial`: besides those that it lists. Answered by
 * an ObjectResp.
 */
export function publishCsiNode(csiNode: CSINode, partial: boolean): Message {
  return fromEdged(
    partial ? Operation.insert : Operation.update,
    formatResource("csinode", { name: csiNode.metadata?.name ?? "" }),
    csiNode,
  );
}

/** Tells a cloud of ours how large the volume of a claim is now. Answered by `OK`. */
export function reportClaimSize(claim: ObjectKey, size: ClaimSize): Message {
  return fromEdged(Operation.update, formatResource("claimsize", claim), size);
}

/** Answered by the TokenRequest with its status. */
export function requestToken(serviceAccount: ObjectKey, request: TokenRequest): Message {
  return fromEdged(Operation.query, formatResource("serviceaccounttoken", serviceAccount), request);
}

/** Answered by an ObjectResp. */
export function queryLease(node: string): Message {
  return fromEdged(Operation.query, formatResource("lease", { namespace: LEASE_NAMESPACE, name: node }), null);
}

/** Answered by an ObjectResp. */
export function createLease(lease: Lease): Message {
  return leaseMessage(Operation.insert, lease);
}

/** Answered by an ObjectResp. */
export function updateLease(lease: Lease): Message {
  return leaseMessage(Operation.update, lease);
}

function leaseMessage(operation: string, lease: Lease): Message {
  const key = { namespace: LEASE_NAMESPACE, name: lease.metadata?.name ?? "" };
  return fromEdged(operation, formatResource("lease", key), lease);
}

/** Not answered. */
export function createEvent(event: Event): Message {
  return fromEdged(Operation.insert, eventResource(event), event);
}

/** @param patch a strategic merge patch, as JSON text. Not answered. */
export function patchEvent(event: Event, patch: string): Message {
  return fromEdged(Operation.patch, eventResource(event), { event, patchData: patch });
}

function eventResource(event: Event): string {
  const { namespace, name = "" } = event.metadata;
  return formatResource("event", { namespace: namespace ?? "default", name });
}

/** Answered by an ObjectResp. */
export function createCertificateSigningRequest(csr: CertificateSigningRequest): Message {
  const key = queryKey("certificatesigningrequest", { name: csr.metadata?.name ?? "" });
  return fromEdged(Operation.insert, formatResource("certificatesigningrequest", key), csr);
}

/** Answered by the Kubernetes CA as PEM text, which may be empty. */
export function queryKubernetesCa(): Message {
  return newMessage({
    source: Source.metaManager,
    group: Group.meta,
    operation: Operation.query,
    resource: K8S_CA_RESOURCE,
    content: null,
  });
}

function fromTwin(operation: string, resource: string, content: unknown): Message {
  return newMessage({ source: Source.twin, group: Group.resource, operation, resource, content });
}

/** What a device's properties read now. Answered by a confirmation; unconfirmed ones are sent again. */
export function twinReport(device: { namespace: string; name: string }, content: object): Message {
  return fromTwin(Operation.update, `device/${device.namespace}/${device.name}/twin/edge_updated`, content);
}

/** Whether a device is on line. Answered by a confirmation. */
export function stateReport(device: { namespace: string; name: string }, content: object): Message {
  return fromTwin(Operation.update, `device/${device.namespace}/${device.name}/state/update`, content);
}

/** @param content JSON text. A stock cloud does not answer. */
export function membershipDetail(content: string): Message {
  return fromTwin(Operation.get, "membership/detail", content);
}

/** What an MQTT client published, for the rules of the cloud's Router. Not answered. */
export function mqttUpload(topic: string, payload: string): Message {
  return newMessage({
    source: Source.bus,
    group: Group.user,
    operation: Operation.upload,
    resource: topic,
    content: payload,
  });
}
