import { readFileSync } from "node:fs";
import type { Container, Pod } from "@kedge/kube";

/** How a profile was named before it had a field: still read, as kubelets do. */
const ANNOTATION_PREFIX = "container.apparmor.security.beta.kubernetes.io/";
const LOCALHOST_PREFIX = "localhost/";
const ENABLED_FILE = "/sys/module/apparmor/parameters/enabled";

export interface AppArmorProfile {
  readonly type: "Localhost" | "RuntimeDefault" | "Unconfined";
  readonly localhostProfile?: string | undefined;
}

/** The container's own profile, else the one that an annotation names for it, else the pod's. */
export function appArmorProfile(
  pod: Pod,
  container: Pick<Container, "name" | "securityContext">,
): AppArmorProfile | undefined {
  const profile =
    container.securityContext?.appArmorProfile ??
    annotatedProfile(pod, container.name) ??
    pod.spec?.securityContext?.appArmorProfile;
  return profile as AppArmorProfile | undefined;
}

function annotatedProfile({ metadata }: Pod, container: string): AppArmorProfile | undefined {
  const value = metadata?.annotations?.[ANNOTATION_PREFIX + container];
  if (value === "runtime/default") return { type: "RuntimeDefault" };
  if (value === "unconfined") return { type: "Unconfined" };
  if (value?.startsWith(LOCALHOST_PREFIX) === true)
    return { type: "Localhost", localhostProfile: value.slice(LOCALHOST_PREFIX.length) };
  return undefined;
}

/** Why the node refuses a pod's profiles (reason `AppArmor`), or undefined. @param enabled whether this host has AppArmor. */
export function appArmorRefusal(pod: Pod, enabled: boolean): string | undefined {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  const profiles = [...initContainers, ...containers, ...ephemeralContainers].map((one) => appArmorProfile(pod, one));
  if (!profiles.some((profile) => profile !== undefined && profile.type !== "Unconfined")) return undefined;
  if (!enabled) return "Cannot enforce AppArmor: AppArmor is not enabled on the host";
  const nameless = profiles.some(
    (profile) => profile?.type === "Localhost" && (profile.localhostProfile ?? "").trim() === "",
  );
  return nameless ? "Cannot enforce AppArmor: invalid empty AppArmor profile name" : undefined;
}

/** Whether the kernel enforces AppArmor. */
export function isAppArmorEnabled(file: string = ENABLED_FILE): boolean {
  try {
    return readFileSync(file, "utf8").startsWith("Y");
  } catch {
    return false; // built without it
  }
}
