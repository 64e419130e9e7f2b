import type { Pod } from "@kedge/kube";
import { appArmorRefusal } from "./app-armor.ts";
import type { RuntimeFeatures } from "./runtime-features.ts";

/** What this host can shut pods in with. */
export interface SecurityFacts {
  readonly appArmor: boolean;
  /** `undefined`: the runtime has not been asked yet; then its part is decided when the sandbox is made. */
  readonly features: RuntimeFeatures | undefined;
}

/** Why a pod cannot be shut in as it wants, and so is not run: reason and words of a kubelet. */
export function securityRefusal(
  pod: Pod,
  { appArmor, features }: SecurityFacts,
): { readonly reason: string; readonly message: string } | undefined {
  const started = pod.status?.phase !== undefined && pod.status.phase !== "Pending";
  const profile = started ? undefined : appArmorRefusal(pod, appArmor);
  if (profile !== undefined) return { reason: "AppArmor", message: profile };
  if (wantsStrictGroups(pod) && features?.supplementalGroupsPolicy === false)
    return {
      reason: "SupplementalGroupsPolicyNotSupported",
      message: "SupplementalGroupsPolicy=Strict is not supported in this node",
    };
  return undefined;
}

/** Only the groups that the pod names, none that the image adds. */
export function wantsStrictGroups({ spec }: Pod): boolean {
  const context: object = spec?.securityContext ?? {};
  return "supplementalGroupsPolicy" in context && context.supplementalGroupsPolicy === "Strict";
}
