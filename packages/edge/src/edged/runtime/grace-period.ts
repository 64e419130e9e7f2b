import type { Container, Pod } from "@kedge/kube";
import type { ContainerKill } from "../pods/container-verdict.ts";

/** Less would kill before the process has noticed. */
export const STOP_GRACE_SECONDS_MIN = 2;
/** What the API server gives to pods that do not say. */
export const GRACE_SECONDS_DEFAULT = 30;
/** Who ends for good has time for a hook, even with none asked for. */
const END_GRACE_SECONDS_MIN = 1;

/**
 * How long a container gets that is stopped while its pod goes on: the time of the probe that it failed, if that has one
 * of its own. 0 and less: no time for its hook.
 *
 * @param remembered what the container was made with, should the pod not say.
 */
export function restartGraceSeconds(
  { metadata, spec }: Pod,
  container: Container | undefined,
  failed: ContainerKill["failed"],
  remembered: number | undefined,
): number {
  const probe = failed === "liveness" ? container?.livenessProbe : failed && container?.startupProbe;
  return (
    metadata?.deletionGracePeriodSeconds ??
    probe?.terminationGracePeriodSeconds ??
    spec?.terminationGracePeriodSeconds ??
    remembered ??
    GRACE_SECONDS_DEFAULT
  );
}

/** How long a pod gets that ends for good. @param most what the node can give. */
export function endGraceSeconds({ metadata = {}, spec }: Pod, most: number | undefined): number {
  const asked = metadata.deletionTimestamp === undefined ? undefined : metadata.deletionGracePeriodSeconds;
  const wanted = asked ?? spec?.terminationGracePeriodSeconds ?? GRACE_SECONDS_DEFAULT;
  return Math.max(END_GRACE_SECONDS_MIN, Math.min(wanted, most ?? wanted));
}
