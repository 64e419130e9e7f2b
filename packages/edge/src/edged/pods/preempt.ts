import type { Pod } from "@kedge/kube";
import { isCriticalPod, qosClassOf } from "../resources/qos-class.ts";
import { requestOf, type Shortage } from "./admit-pod.ts";

interface Need {
  readonly resource: string;
  readonly amount: number;
}

/**
 * Which pods must go so that a critical one finds room: as few as possible, and of those the smallest; Guaranteed ones only
 * if all others are not enough, then Burstable ones.
 *
 * @throws Error in a kubelet's words when not even all together are enough.
 */
export function podsToPreempt(preemptor: Pod, pods: readonly Pod[], shortages: readonly Shortage[]): Pod[] {
  const needs = shortages.map(({ resource, requested, used, capacity }) => ({
    resource,
    amount: requested - (capacity - used),
  }));
  const candidates = pods.filter((pod) => isPreemptable(preemptor, pod));
  const ofClass = (qosClass: string) => candidates.filter((pod) => qosClassOf(pod) === qosClass);
  const [bestEffort, burstable, guaranteed] = [ofClass("BestEffort"), ofClass("Burstable"), ofClass("Guaranteed")];
  const open = without(needs, candidates);
  if (open.length > 0) throw notEnough(open);
  const goGuaranteed = nearest(guaranteed, without(needs, [...bestEffort, ...burstable]));
  const goBurstable = nearest(burstable, without(needs, [...bestEffort, ...goGuaranteed]));
  const goBestEffort = nearest(bestEffort, without(needs, [...goBurstable, ...goGuaranteed]));
  return [...goBestEffort, ...goBurstable, ...goGuaranteed];
}

/** Whether a critical pod may take this one's place. */
export function isPreemptable(preemptor: Pod, pod: Pod): boolean {
  if (isCriticalPod(preemptor) && !isCriticalPod(pod)) return true;
  const [mine, its] = [preemptor.spec?.priority, pod.spec?.priority];
  return mine !== undefined && its !== undefined && mine > its;
}

/** Takes, again and again, the pod that brings us nearest to what is needed. */
function nearest(pods: readonly Pod[], needs: readonly Need[]): Pod[] {
  const left = [...pods];
  const chosen: Pod[] = [];
  let open = needs;
  while (open.length > 0) {
    const [first, ...others] = left;
    if (first === undefined) throw notEnough(open);
    let best = first;
    for (const pod of others) {
      const [distance, least] = [distanceOf(pod, open), distanceOf(best, open)];
      if (distance < least || (distance === least && isSmaller(pod, best))) best = pod;
    }
    chosen.push(best);
    left.splice(left.indexOf(best), 1);
    open = without(open, [best]);
  }
  return chosen;
}

/** What is still needed once these are gone. */
function without(needs: readonly Need[], pods: readonly Pod[]): Need[] {
  return needs
    .map(({ resource, amount }) => ({
      resource,
      amount: amount - pods.reduce((sum, pod) => sum + requestOf(pod, resource), 0),
    }))
    .filter(({ amount }) => amount > 0);
}

/** Each need counts the same, however large its numbers are. */
function distanceOf(pod: Pod, needs: readonly Need[]): number {
  return needs.reduce((sum, { resource, amount }) => {
    const missing = Math.max(0, amount - requestOf(pod, resource));
    return sum + (missing / amount) ** 2;
  }, 0);
}

function isSmaller(pod: Pod, other: Pod): boolean {
  for (const resource of ["memory", "cpu"]) {
    const [mine, its] = [requestOf(pod, resource), requestOf(other, resource)];
    if (mine !== its) return mine < its;
  }
  return true;
}

function notEnough(needs: readonly Need[]): Error {
  const list = needs.map(({ resource, amount }) => `(res: ${resource}, q: ${amount}), `).join("");
  return new Error(`no set of running pods found to reclaim resources: [${list}]`);
}
