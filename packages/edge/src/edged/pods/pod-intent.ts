import type { Pod } from "@kedge/kube";
import { gateStates } from "../status/foreign-conditions.ts";

/** What of a pod's object asks something of us. */
export function intentOf({ metadata = {}, spec = { containers: [] }, status = {} }: Pod) {
  const { deletionTimestamp, deletionGracePeriodSeconds } = metadata;
  const gates = gateStates({ spec, status });
  return { deletionTimestamp, deletionGracePeriodSeconds, spec, gates, shown: shownInFiles({ metadata }) };
}

/** What volumes may show of it. */
export function shownInFiles({ metadata = {} }: Pod) {
  const { labels, annotations } = metadata;
  return { labels, annotations };
}
