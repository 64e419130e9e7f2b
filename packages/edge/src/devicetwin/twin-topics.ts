/** MQTT topics of DeviceTwin. @see `devices-and-messaging` §3.2, §3.3 */
export type TwinTopic =
  | { readonly kind: "twin/update" | "twin/get" | "twin/cloud_updated" | "state/update"; readonly device: string }
  | { readonly kind: "membership/get" };

const DEVICE_ACTIONS = ["twin/update", "twin/get", "twin/cloud_updated", "state/update"] as const;

/**
 * Reads a topic level by level: a namespace may well be called `device` or `hw`.
 *
 * @returns undefined if it is none of ours, such as the results that we publish ourselves.
 */
export function parseTwinTopic(topic: string): TwinTopic | undefined {
  const [hw, events, tree, first = "", second = "", ...rest] = topic.split("/");
  if (hw !== "$hw" || events !== "events") return undefined;
  if (tree === "node")
    return second === "membership" && rest.length === 1 && rest[0] === "get" ? { kind: "membership/get" } : undefined;
  if (tree !== "device" || first === "" || second === "" || rest.length !== 2) return undefined;
  const kind = DEVICE_ACTIONS.find((action) => action === rest.join("/"));
  return kind === undefined ? undefined : { kind, device: `${first}/${second}` };
}

/** `$hw/events/device/<namespace>/<name>/<rest>` */
export function deviceTopic(device: string, rest: string): string {
  return `$hw/events/device/${device}/${rest}`;
}

/** `$hw/events/node/<node>/membership/<rest>` */
export function membershipTopic(node: string, rest: string): string {
  return `$hw/events/node/${node}/membership/${rest}`;
}
