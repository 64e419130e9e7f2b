import { keyOf, PERSISTENT_VOLUME_CLAIMS, PODS } from "@kedge/kube";
import type { ReconcileResult } from "@kedge/kube-client";
import type { ControllerContext } from "../controller-deps.ts";
import { ControllerLoop } from "../controller-loop.ts";
import { isPodFinished } from "../pods/pod-state.ts";
import { BY_CLAIM } from "../shared-informers.ts";
import { claimKeysOf } from "./pod-claims.ts";
import { CLAIM_PROTECTION } from "./storage-names.ts";

/** A claim that is deleted stays for as long as a pod that may run uses it. */
export function startClaimProtectionController(context: ControllerContext): ControllerLoop {
  const { kube, informers } = context;
  const { claims, pods } = informers;

  async function reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const claim = claims.get(key);
    const finalizers = claim?.metadata?.finalizers ?? [];
    if (claim?.metadata?.deletionTimestamp === undefined || !finalizers.includes(CLAIM_PROTECTION)) return {};
    if (pods.byIndex(BY_CLAIM, key).some((pod) => !isPodFinished(pod))) return {};
    // Absence is not believed of a cache: a pod may just have come.
    const { namespace = "" } = claim.metadata;
    const { items } = await kube.list(PODS, { namespace }, signal);
    if (items.some((pod) => !isPodFinished(pod) && claimKeysOf(pod).includes(key))) return {};
    const kept = finalizers.filter((finalizer) => finalizer !== CLAIM_PROTECTION);
    await kube.update(
      PERSISTENT_VOLUME_CLAIMS,
      { ...claim, metadata: { ...claim.metadata, finalizers: kept } },
      signal,
    );
    return {};
  }

  const loop = new ControllerLoop("pvc-protection", context, [claims, pods], reconcile);
  loop.on(claims, (_, claim) => (claim === undefined ? [] : [keyOf(claim)]));
  loop.on(pods, (old, pod) => {
    const over = pod === undefined || isPodFinished(pod);
    return over ? claimKeysOf(pod ?? old ?? {}) : [];
  });
  return loop;
}
