import type { KubeObject, ObjectKey } from "@kedge/kube";
import { Group, OK, Operation, Source } from "./catalogue.ts";
import { type Message, newMessage } from "./message.ts";
import { formatResource, toNode, trimNodePrefix } from "./resource-path.ts";
import { errStatus, type ObjectResp } from "./response-content.ts";

/** What the cloud says. Resources have the internal form `node/<node>/…`; see {@link withWireResource}. */

/** The message as it travels: without the `node/<node>/` in front of its resource. */
export function withWireResource(message: Message): Message {
  const { resource } = message.route;
  if (resource === undefined) return message;
  const trimmed = trimNodePrefix(resource);
  return trimmed === resource ? message : { ...message, route: { ...message.route, resource: trimmed } };
}

export interface ObjectPush {
  readonly node: string;
  readonly source: "edgecontroller" | "devicecontroller" | "dynamiccontroller" | "policycontroller";
  readonly operation: "insert" | "update" | "delete";
  /** With kind and apiVersion. */
  readonly object: KubeObject;
}

/** A Kubernetes object that came to be, changed, or is gone; needs an acknowledgement. */
export function objectPush({ node, source, operation, object }: ObjectPush): Message {
  const { namespace, name = "", resourceVersion } = object.metadata ?? {};
  const type = (object.kind ?? "").toLowerCase();
  return newMessage({
    source,
    group: Group.resource,
    operation,
    resource: toNode(node, formatResource(type, { namespace, name })),
    content: object,
    ...(resourceVersion !== undefined && { resourceVersion }),
  });
}

/** Tells the edge to forget an object of which only its name, and perhaps its UID, are known. */
export function orphanDelete(node: string, type: string, key: ObjectKey, uid?: string): Message {
  const { namespace, name } = key;
  return newMessage({
    source: Source.edgeController,
    group: Group.resource,
    operation: Operation.delete,
    resource: toNode(node, formatResource(type, key)),
    content: {
      metadata: { name, ...(namespace !== undefined && { namespace }), ...(uid !== undefined && { uid }) },
    },
  });
}

/** Tells the edge to forget a pod that the cluster does not know; its UID is unknown, too. */
export function unknownPodDelete(node: string, key: ObjectKey): Message {
  const message = orphanDelete(node, "pod", key);
  const { namespace, name } = key;
  // The empty members are what a Go peer writes for an empty pod.
  return {
    ...message,
    content: { metadata: { name, namespace, creationTimestamp: null }, spec: { containers: null }, status: {} },
  };
}

/** An answer of EdgeController to `request`, whose resource it repeats unless `resource` says another. */
function answer(node: string, request: Message, content: unknown, facts: AnswerFacts = {}): Message {
  const { resource = request.route.resource ?? "", resourceVersion } = facts;
  return newMessage({
    source: Source.edgeController,
    group: Group.resource,
    operation: Operation.response,
    resource: toNode(node, resource),
    content,
    parentId: request.header.msg_id,
    ...(resourceVersion !== undefined && { resourceVersion }),
  });
}

interface AnswerFacts {
  readonly resource?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

/** `{"Object": …, "Err": null}`. */
export function objectAnswer(node: string, request: Message, object: KubeObject, facts: AnswerFacts = {}): Message {
  const content: ObjectResp = { Object: object, Err: null };
  return answer(node, request, content, facts);
}

/** `{"Object": null, "Err": {"ErrStatus": …}}`: the error in answers whose success is {@link objectAnswer}. */
export function objectErrorAnswer(node: string, request: Message, error: unknown): Message {
  const content: ObjectResp = { Object: null, Err: errStatus(error) };
  return answer(node, request, content);
}

/** The bare object that answers a query; that of a ConfigMap, Secret, PV, PVC or VolumeAttachment must be acknowledged. */
export function queryAnswer(node: string, request: Message, object: KubeObject): Message {
  return answer(node, request, object, { resourceVersion: object.metadata?.resourceVersion });
}

/** `{"ErrStatus": …}`: the error in answers whose success is {@link queryAnswer} or {@link okAnswer}. */
export function errorAnswer(node: string, request: Message, error: unknown, facts: AnswerFacts = {}): Message {
  return answer(node, request, errStatus(error), facts);
}

/** `"OK"`. */
export function okAnswer(node: string, request: Message, facts: AnswerFacts = {}): Message {
  return answer(node, request, OK, facts);
}

/** The Kubernetes CA as PEM text; empty if the cloud has none. */
export function kubernetesCaAnswer(node: string, request: Message, pem: string): Message {
  return newMessage({
    source: Source.cloudHub,
    group: Group.resource,
    operation: Operation.response,
    resource: toNode(node, K8S_CA_RESOURCE),
    content: pem,
    parentId: request.header.msg_id,
  });
}

export const K8S_CA_RESOURCE = "k8s/ca.crt";

export interface MembershipDevice {
  /** `<namespace>/<name>`. */
  readonly id: string;
  readonly name: string;
  readonly [member: string]: unknown;
}

/** Which devices the node has got or lost; not acknowledged. `null` stands for none, as in Go. */
export function membershipUpdate(
  node: string,
  facts: {
    readonly eventId: string;
    readonly added: readonly MembershipDevice[] | null;
    readonly removed: readonly MembershipDevice[] | null;
  },
  now: number = Date.now(),
): Message {
  return newMessage({
    source: Source.deviceController,
    group: Group.twin,
    operation: Operation.update,
    resource: toNode(node, "membership"),
    content: {
      event_id: facts.eventId,
      timestamp: now,
      added_devices: facts.added,
      removed_devices: facts.removed,
    },
  });
}

/** Tells DeviceTwin that its report is stored, so that it need not be repeated. */
export function twinConfirmation(node: string, report: Message): Message {
  return newMessage({
    source: Source.deviceController,
    group: Group.twin,
    operation: Operation.response,
    resource: toNode(node, "twin"),
    content: OK,
    parentId: report.header.msg_id,
  });
}
