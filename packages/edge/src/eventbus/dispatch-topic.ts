/** What EventBus listens to, besides the topics of rules. @see `devices-and-messaging` §4.3 */
export const BUILTIN_FILTERS: readonly string[] = [
  "$hw/events/device/+/+/state/update",
  "$hw/events/device/+/+/twin/+",
  "$hw/events/node/+/membership/get",
  "$hw/events/upload/#",
  "SYS/dis/upload_records",
  "+/user/#",
];

const TWIN_TREES = ["$hw/events/device", "$hw/events/node"];

/** Who takes what was published on `topic`: DeviceTwin, or the cloud. */
export function dispatchTopic(topic: string): "twin" | "hub" {
  return TWIN_TREES.some((tree) => topic === tree || topic.startsWith(`${tree}/`)) ? "twin" : "hub";
}
