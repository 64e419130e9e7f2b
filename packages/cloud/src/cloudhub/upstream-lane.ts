import { type Message, parseResource } from "@kedge/protocol";

/** Types that are about the same thing as another. */
const SAME_THING: Readonly<Record<string, string>> = {
  nodepatch: "node",
  nodestatus: "node",
  podpatch: "pod",
  podstatus: "pod",
};

/** Messages of one lane must not overtake each other: those of a node about the same thing. */
export function upstreamLane(node: string, { route }: Message): string {
  const { namespace, type = "", name = "" } = parseResource(route.resource) ?? {};
  return `${node} ${SAME_THING[type] ?? type} ${namespace}/${type === "event" ? "" : name}`;
}
