import { Group, type Message, Operation, parseResource } from "@kedge/protocol";

/**
 * Told of every frame with its bytes on the wire: those of WebSocket's header are included, those of TLS and TCP not.
 * Called for each frame, so it must be quick.
 */
export type TrafficHook = (direction: "in" | "out", resourceType: string, bytes: number) => void;

/** What is no message: our own frames, WebSocket's pings and pongs, and what cannot be read. */
export const CONTROL_TRAFFIC = "control";
export const PING_TRAFFIC = "ping";
export const UNREADABLE_TRAFFIC = "unreadable";
/** Custom resources, and what a peer makes up. */
const OTHER_TRAFFIC = "other";

/** Types of resources as the wire spells them; few, so that they can label a metric. */
const TYPES: ReadonlySet<string> = new Set([
  "ca.crt",
  "certificatesigningrequest",
  "configmap",
  "device",
  "devicemodel",
  "digest",
  "endpoints",
  "endpointslice",
  "event",
  "lease",
  "membership",
  "node",
  "nodepatch",
  "nodestatus",
  "persistentvolume",
  "persistentvolumeclaim",
  "pod",
  "podlist",
  "podpatch",
  "podstatus",
  "secret",
  "service",
  "serviceaccountaccess",
  "serviceaccounttoken",
  "twin",
  "volume",
  "volumeattachment",
  "watchapp",
]);

/** What belongs to no resource; `user` is the traffic of rules: the applications' own. */
const GROUPS: ReadonlySet<string> = new Set([Group.user, Group.taskManager, Group.hub]);

/** What a message's bytes are counted under: one of some forty words, whatever the message says. */
export function trafficType({ route: { group = "", operation, resource = "" } }: Message): string {
  if (operation === Operation.keepalive) return Operation.keepalive;
  // `<ns>/<type>/<name>`, but of devices also `device/<ns>/<name>/twin/…`, `membership/detail` and `twin` alone.
  const type = parseResource(resource)?.type ?? "";
  if (group !== Group.user && TYPES.has(type)) return type;
  if (GROUPS.has(group)) return group;
  const first = /^[a-z]+/.exec(resource)?.[0] ?? "";
  return TYPES.has(first) ? first : OTHER_TRAFFIC;
}

const MASK_BYTES = 4;

/** A frame's bytes on the wire. @param masked what a client sends is. */
export function frameBytes(payloadBytes: number, masked: boolean): number {
  const lengthBytes = payloadBytes < 126 ? 0 : payloadBytes < 65_536 ? 2 : 8;
  return 2 + lengthBytes + (masked ? MASK_BYTES : 0) + payloadBytes;
}
