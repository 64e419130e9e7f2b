import { isControlledBy, type PersistentVolumeClaim, type Pod } from "@kedge/kube";

export interface PodClaim {
  readonly name: string;
  /** It is made for this pod, and goes with it. */
  readonly ephemeral: boolean;
}

/** The claims that a pod's volumes name. */
export function claimsOf({ metadata, spec }: Pod): PodClaim[] {
  return (spec?.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }): PodClaim[] => {
    if (persistentVolumeClaim !== undefined) return [{ name: persistentVolumeClaim.claimName, ephemeral: false }];
    return ephemeral === undefined ? [] : [{ name: `${metadata?.name}-${name}`, ephemeral: true }];
  });
}

/** Index of pods: `namespace/claim`. */
export function claimKeysOf(pod: Pod): string[] {
  return claimsOf(pod).map(({ name }) => `${pod.metadata?.namespace}/${name}`);
}

/** A claim of that name that was made for another pod, or by somebody, is not the pod's. */
export function isOwnClaim(claim: PersistentVolumeClaim, pod: Pod): boolean {
  return isControlledBy(claim, pod);
}
