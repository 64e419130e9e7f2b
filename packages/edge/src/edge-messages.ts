import type { Device, DeviceModel } from "@kedge/api";
import type {
  ConfigMap,
  CSIDriver,
  CSINode,
  DeleteOptions,
  Event,
  KubeObject,
  Lease,
  Node,
  ObjectKey,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  RuntimeClass,
  Secret,
  TokenRequest,
  VolumeAttachment,
} from "@kedge/kube";
import type { CsiControllerCall } from "@kedge/cri";
import type { ClaimSize, Message } from "@kedge/protocol";
import type { MessageBus } from "@kedge/runtime";
import type { KubeletAnswer, KubeletRequest } from "./edged/server/kubelet-request.ts";

/**
 * All that one edge component may ask of another: topic, question, answer. The first word of a topic is who answers.
 * A type alias, not an interface: only these are index-compatible with the bus' `Topics`.
 */
export type EdgeMessages = {
  /** Takes a message for the cloud; resolves once it is accepted (it may wait for the connection). @throws `QueueFull` */
  "hub/send": { request: Message; reply: void };
  /** Sends now and resolves with the message whose parent this is. @throws `NotConnected`, `Timeout` */
  "hub/request": { request: { message: Message; timeoutMs: number }; reply: Message };
  /**
   * Has the cloud renew the node's lease as it stands; the cloud does the writing.
   *
   * @throws `NotSupported`: the cloud is not ours. `LeaseRefused`, `Timeout`, `NotConnected`: ask the long way.
   */
  "hub/renewLease": { request: Record<never, never>; reply: void };

  /** What EdgeHub counts, as Prometheus' text. */
  "hub/metrics": { request: Record<never, never>; reply: string };

  /** A message of group `resource` or `func` from the cloud. The reply, an ack or an `error`, goes back up. */
  "meta/downstream": { request: Message; reply: Message | undefined };
  /** Everything stored of one wire type: `pod`, `configmap`, `secret`, `node`, `device`, `devicemodel`, … */
  "meta/list": { request: { type: string }; reply: KubeObject[] };
  "meta/getPod": { request: ObjectKey; reply: Pod | undefined };
  /** Local copy first, else the cloud's. `undefined`: known not to exist. @throws `NotConnected` if nobody can tell. */
  "meta/getConfigMap": { request: ObjectKey; reply: ConfigMap | undefined };
  "meta/getSecret": { request: ObjectKey; reply: Secret | undefined };
  /** The cloud's word, or its last one while it is away. `undefined`: known not to exist. @throws `NotConnected`, `Timeout` */
  "meta/getVolumeClaim": { request: ObjectKey; reply: PersistentVolumeClaim | undefined };
  "meta/getVolume": { request: { name: string }; reply: PersistentVolume | undefined };
  "meta/getVolumeAttachment": { request: { name: string }; reply: VolumeAttachment | undefined };
  /** @throws `NotSupported`: the cloud is a stock one. */
  "meta/getCsiDriver": { request: { name: string }; reply: CSIDriver | undefined };
  /** @throws `NotSupported`: the cloud is a stock one. `NotConnected`, `Timeout` */
  "meta/getRuntimeClass": { request: { name: string }; reply: RuntimeClass | undefined };
  /** The claim's volume has grown on this node. @throws `NotSupported`: the cloud is a stock one. */
  "meta/reportClaimSize": { request: { key: ObjectKey; size: ClaimSize }; reply: void };
  /**
   * Makes the node's CSINode list these drivers; `partial`: besides those that it lists.
   *
   * @throws `NotSupported`: the cloud is a stock one.
   */
  "meta/publishCsiNode": { request: { csiNode: CSINode; partial: boolean }; reply: CSINode };
  "meta/requestToken": {
    request: { namespace: string; serviceAccount: string; token: TokenRequest };
    reply: TokenRequest;
  };
  /**
   * `patch`: a strategic merge patch of `metadata.uid` and `status`, as JSON text. A pod that the API server does not have
   * any more is removed from the store. @throws `NotConnected`, KubeApiError: `NotFound` also if another has its name
   */
  "meta/patchPodStatus": { request: { key: ObjectKey; patch: string }; reply: Pod };
  "meta/createPod": { request: Pod; reply: Pod };
  /** `NotFound` counts as success. */
  "meta/deletePod": { request: { key: ObjectKey; options: DeleteOptions }; reply: void };
  /** Creates the node; if it exists already, answers with what is known of it. */
  "meta/registerNode": { request: Node; reply: Node };
  "meta/getNode": { request: { name: string }; reply: Node | undefined };
  "meta/patchNodeStatus": { request: { name: string; patch: string }; reply: Node };
  "meta/getLease": { request: ObjectKey; reply: Lease | undefined };
  "meta/createLease": { request: Lease; reply: Lease };
  "meta/updateLease": { request: Lease; reply: Lease };
  /** Dropped with a log line when the cloud is away and the queue is full. @throws `NoAnswerer` before EdgeHub has started */
  "meta/sendEvent": { request: { operation: "insert" | "patch"; event: Event; patch?: string }; reply: void };

  /** What a kubelet serves on its port; whoever asks has authenticated the client. Refusals are answers, too. */
  "edged/kubelet": { request: KubeletRequest; reply: KubeletAnswer };

  /** How many pods run from files of `staticPodPath`, and what is wrong with others. */
  "edged/staticPods": {
    request: Record<never, never>;
    reply: { pods: number; problems: { path: string; message: string }[] };
  };

  /** How the tunnel is through which the cloud sees into this node. `problem`: why it is not open. */
  "edgestream/status": {
    request: Record<never, never>;
    reply: { open: boolean; agreed: boolean; sessions: number; problem?: string | undefined };
  };

  /** A call of a CSI driver's controller, and its reply, both in JSON. @throws what the driver says; `DriverNotReady` */
  "edged/csiCall": { request: { operation: CsiControllerCall; request: string }; reply: object };

  /** A message of group `twin` from the cloud: membership, confirmation. */
  "twin/downstream": { request: Message; reply: void };
  /** A Device or DeviceModel was stored or removed. At its start DeviceTwin asks `meta/list`. */
  "twin/object": { request: { operation: "insert" | "update" | "delete"; object: Device | DeviceModel }; reply: void };
  /** An MQTT client published on a topic of DeviceTwin. */
  "twin/mqtt": { request: { topic: string; payload: Buffer }; reply: void };

  /** Publishes on the node's MQTT brokers. */
  "bus/publish": { request: { topic: string; payload: string }; reply: void };
  /** A message of group `user` from the cloud's Router. */
  "bus/downstream": { request: Message; reply: void };
};

/** Told to whoever listens, not kept: each says that it is worth asking again. */
export type EdgeNotices = {
  /** `agreed`: the cloud is ours, and understands what stock clouds do not (`docs/adr/0006`). */
  "hub/connection": { connected: boolean; agreed?: boolean };
  /** A try to join or to connect failed. `lasting`: not before somebody changes something. */
  "hub/failure": { code: string; message: string; fix: string; lasting: boolean };
  /** The stored pod changed, or is gone. */
  "meta/podChanged": { key: ObjectKey };
  /** Another stored object changed, or is gone; `type` as in `meta/list`. */
  "meta/objectChanged": { type: string; key: ObjectKey };
};

export type EdgeBus = MessageBus<EdgeMessages, EdgeNotices>;
