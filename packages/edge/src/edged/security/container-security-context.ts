import type { LinuxContainerSecurityContext, SecurityProfile } from "@kedge/cri";
import { SecurityProfileType } from "@kedge/cri";
import type { Container, Pod } from "@kedge/kube";
import { appArmorProfile } from "./app-armor.ts";
import { groupsPolicy, namespaceOptions, supplementalGroups } from "./namespace-options.ts";
import { type SeccompOptions, seccompProfile } from "./seccomp-profile.ts";
import { SecurityError } from "./security-error.ts";

/** Whom the image wants to run as; neither member: root. */
export interface ImageUser {
  readonly uid?: bigint | undefined;
  readonly username?: string | undefined;
}

export type ContainerSecurityContext = Extract<LinuxContainerSecurityContext, { $typeName?: never }>;

const UID_MAX = 2n ** 31n - 1n;

// As other runtimes and Kubernetes mask them: what leaks facts of the host, or changes it.
const MASKED_PATHS = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];
const READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/**
 * A container's rights: its own settings, the pod's where it has none.
 *
 * @throws SecurityError when it would run as root although it must not, or a profile is wrong.
 */
export function containerSecurityContext(
  pod: Pod,
  container: Container,
  imageUser: ImageUser,
  options: SeccompOptions,
): ContainerSecurityContext {
  const own = container.securityContext ?? {};
  const { runAsUser, runAsGroup, seLinuxOptions } = { ...pod.spec?.securityContext, ...defined(own) };
  checkNonRoot(pod, container, imageUser);
  const unmasked = own.procMount === "Unmasked";
  const username = imageUser.username ?? "";
  const user =
    runAsUser !== undefined
      ? { runAsUser: { value: BigInt(runAsUser) } }
      : username !== ""
        ? { runAsUsername: username }
        : { runAsUser: { value: imageUser.uid ?? 0n } };
  return {
    ...user,
    ...(runAsGroup !== undefined && { runAsGroup: { value: BigInt(runAsGroup) } }),
    ...(own.capabilities !== undefined && {
      capabilities: {
        addCapabilities: own.capabilities.add ?? [],
        dropCapabilities: own.capabilities.drop ?? [],
      },
    }),
    ...(seLinuxOptions !== undefined && { selinuxOptions: { ...seLinuxOptions } }),
    privileged: own.privileged === true,
    readonlyRootfs: own.readOnlyRootFilesystem === true,
    noNewPrivs: own.allowPrivilegeEscalation === false,
    maskedPaths: unmasked ? [] : MASKED_PATHS,
    readonlyPaths: unmasked ? [] : READONLY_PATHS,
    seccomp: seccompProfile(pod, container, options),
    ...appArmor(pod, container),
    supplementalGroups: supplementalGroups(pod),
    ...groupsPolicy(pod),
    namespaceOptions: namespaceOptions(pod),
  };
}

function checkNonRoot(pod: Pod, container: Container, imageUser: ImageUser): void {
  const podContext = pod.spec?.securityContext ?? {};
  const own = container.securityContext ?? {};
  if ((own.runAsNonRoot ?? podContext.runAsNonRoot) !== true) return;
  const { name = "", namespace = "", uid: podUid = "" } = pod.metadata ?? {};
  const where = `(pod: "${name}_${namespace}(${podUid})", container: ${container.name})`;
  const runAsUser = own.runAsUser ?? podContext.runAsUser;
  if (runAsUser !== undefined) {
    if (runAsUser === 0) throw new SecurityError(`container's runAsUser breaks non-root policy ${where}`);
    return;
  }
  const { uid, username = "" } = imageUser;
  if (uid === undefined && username !== "")
    throw new SecurityError(
      `container has runAsNonRoot and image has non-numeric user (${username}), cannot verify user is non-root ${where}`,
    );
  if ((uid ?? 0n) === 0n) throw new SecurityError(`container has runAsNonRoot and image will run as root ${where}`);
  if (uid !== undefined && (uid < 0n || uid > UID_MAX))
    throw new SecurityError(`container has runAsNonRoot and image has an invalid user id (${uid}) ${where}`);
}

function appArmor(pod: Pod, container: Container): { apparmor?: SecurityProfile } {
  const profile = appArmorProfile(pod, container);
  if (profile === undefined) return {};
  if (profile.type === "Localhost")
    return { apparmor: { profileType: SecurityProfileType.Localhost, localhostRef: profile.localhostProfile ?? "" } };
  const unconfined = profile.type === "Unconfined";
  return {
    apparmor: { profileType: unconfined ? SecurityProfileType.Unconfined : SecurityProfileType.RuntimeDefault },
  };
}

function defined<T extends object>(object: T): Partial<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Partial<T>;
}
