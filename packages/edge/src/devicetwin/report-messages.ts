import { randomUUID } from "node:crypto";
import { Group, membershipDetail, type Message, newMessage, Operation, Source, twinReport } from "@kedge/protocol";
import type { StoredDevice } from "./device-repository.ts";
import type { MsgTwin } from "./twin-payloads.ts";

/** What DeviceTwin tells the cloud. @see `devices-and-messaging` §3.8 */

export function twinMessage(device: string, twin: Readonly<Record<string, MsgTwin>>, now: number): Message {
  const slash = device.indexOf("/");
  const key = { namespace: device.slice(0, slash), name: device.slice(slash + 1) };
  return twinReport(key, { event_id: randomUUID(), timestamp: now, twin });
}

/** @param content see {@link statePayload}; it travels as text, as the reference sends it. */
export function stateMessage(device: string, content: object): Message {
  return newMessage({
    source: Source.twin,
    group: Group.resource,
    operation: Operation.update,
    resource: `device/${device}/state/update`,
    content: JSON.stringify(content),
  });
}

/** Asks which devices this node has. */
export function membershipRequest(node: string, now: number): Message {
  return membershipDetail(
    JSON.stringify({
      event_type: "group_membership_event",
      event_id: randomUUID(),
      group_id: node,
      operation: "detail",
      timestamp: now,
    }),
  );
}

/** What is told of a device's state, on MQTT and to the cloud. */
export function statePayload({ name, state, lastOnline }: StoredDevice, now: number): object {
  return {
    event_id: randomUUID(),
    timestamp: now,
    device: { name, ...(state !== "" && { state }), ...(lastOnline !== "" && { lastOnlineTime: lastOnline }) },
  };
}
