import { randomBytes } from "node:crypto";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ContainerConfig, type Image, type Mount, MountPropagation } from "@kedge/cri";
import type { Container, Pod } from "@kedge/kube";
import { toError } from "@kedge/runtime";
import type { CpuManager } from "../cpus/cpu-manager.ts";
import type { EdgedParts } from "../edged-parts.ts";
import { ContainerConfigError } from "../env/container-config-error.ts";
import { expandArguments } from "../env/expand-variables.ts";
import { type EnvironmentVariable, makeEnvironment } from "../env/make-environment.ts";
import { PodObjects } from "../env/pod-objects.ts";
import { wantsEtcHosts, writeEtcHosts } from "../network/etc-hosts.ts";
import { podHostname } from "../network/pod-hostname.ts";
import { type ContainerCpus, linuxResources } from "../resources/linux-resources.ts";
import { containerSecurityContext } from "../security/container-security-context.ts";
import { namespaceOptions, targetingOptions, withUserNamespace } from "../security/namespace-options.ts";
import { containerDirectory, etcHostsPath } from "../volumes/pod-directory.ts";
import { containerLogPath } from "./container-logs.ts";
import { containerAnnotations, containerLabels, TERMINATION_PATH_DEFAULT } from "./kubelet-labels.ts";
import { resourcesOptions } from "./resources-options.ts";
import { sandboxFacts } from "./sandbox-facts.ts";
import { stopSignalOf } from "./stop-signal.ts";

export interface ContainerFacts {
  readonly image: Image;
  readonly restartCount: number;
  readonly podIPs: readonly string[];
  /** The container whose processes it shall see, where each of the pod has its own. */
  readonly targetId?: string | undefined;
}

/**
 * What the runtime makes a container from; also makes the files on the host that it mounts.
 *
 * @throws ContainerConfigError
 */
export async function containerConfig(
  pod: Pod,
  container: Container,
  facts: ContainerFacts,
  parts: EdgedParts,
  signal: AbortSignal,
): Promise<ContainerConfig> {
  try {
    return await build(pod, container, facts, parts, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ContainerConfigError) throw error;
    throw new ContainerConfigError(toError(error).message, { cause: error });
  }
}

async function build(
  pod: Pod,
  container: Container,
  { image, restartCount, podIPs, targetId }: ContainerFacts,
  parts: EdgedParts,
  signal: AbortSignal,
): Promise<ContainerConfig> {
  const { config, node } = parts;
  const environment = await makeEnvironment(pod, container, {
    nodeName: node.name,
    hostIPs: node.hostIPs(),
    podIPs,
    objects: new PodObjects(parts.bus, pod.metadata?.namespace ?? "", signal),
    allocatable: node.allocatable(),
    logger: parts.logger,
  });
  const devices = await parts.devices.prepare(pod, container, signal);
  const { can, ids } = await sandboxFacts(pod, parts, signal);
  const imageUser = { uid: image.uid?.value, username: image.username };
  const seccomp = { profileDirectory: join(config.rootDirectory, "seccomp"), runtimeDefault: config.seccompDefault };
  return {
    metadata: { name: container.name, attempt: restartCount },
    image: { image: image.id, userSpecifiedImage: container.image ?? "" },
    command: expandArguments(container.command, environment),
    args: expandArguments(container.args, environment),
    workingDir: container.workingDir ?? "",
    // What the pod says itself comes after, and counts.
    envs: [...devices.environment, ...environment].map(({ name, value }) => ({ key: name, value: Buffer.from(value) })),
    mounts: [...devices.mounts, ...(await mounts(pod, container, { podIPs, can, ids }, environment, parts, signal))],
    devices: [...devices.devices, ...(await parts.volumes.devicesFor(pod, container))],
    CDIDevices: devices.cdiDevices,
    labels: containerLabels(pod, container),
    annotations: { ...devices.annotations, ...containerAnnotations(pod, container, restartCount) },
    logPath: containerLogPath(container.name, restartCount),
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    stopSignal: stopSignalOf(container.lifecycle?.stopSignal),
    linux: {
      resources: linuxResources(pod, container, resourcesOptions(parts), containerCpus(pod, container, parts.cpus)),
      securityContext: {
        ...containerSecurityContext(pod, container, imageUser, seccomp),
        namespaceOptions: withUserNamespace(
          targetId === undefined ? namespaceOptions(pod) : targetingOptions(pod, targetId),
          ids,
        ),
      },
    },
  };
}

function containerCpus(pod: Pod, { name }: Container, cpus: CpuManager): ContainerCpus {
  const uid = pod.metadata?.uid ?? "";
  return { cpuset: cpus.cpusetOf(uid, name), exclusive: cpus.ownOf(uid, name).size > 0 };
}

async function mounts(
  pod: Pod,
  container: Container,
  { podIPs, can, ids }: Pick<ContainerFacts, "podIPs"> & Pick<Awaited<ReturnType<typeof sandboxFacts>>, "can" | "ids">,
  environment: readonly EnvironmentVariable[],
  parts: EdgedParts,
  signal: AbortSignal,
): Promise<Mount[]> {
  const all = await parts.volumes.mountsFor(pod, container, environment, signal, can);
  const mountsItself = (path: string) => container.volumeMounts?.some(({ mountPath }) => mountPath === path) === true;
  if (wantsEtcHosts(pod, podIPs) && !mountsItself("/etc/hosts"))
    all.push(bind("/etc/hosts", await etcHosts(pod, podIPs, parts)));
  const messagePath = container.terminationMessagePath ?? TERMINATION_PATH_DEFAULT;
  if (messagePath !== "") all.push(bind(messagePath, await terminationFile(pod, container, parts)));
  if (ids === undefined) return all;
  const mapping = ids.map((id) => ({ ...id }));
  for (const mount of all) Object.assign(mount, { uidMappings: mapping, gidMappings: mapping });
  return all;
}

function bind(containerPath: string, hostPath: string): Mount {
  return { containerPath, hostPath, readonly: false, propagation: MountPropagation.PROPAGATION_PRIVATE };
}

async function etcHosts(pod: Pod, podIPs: readonly string[], { config }: EdgedParts): Promise<string> {
  const path = etcHostsPath(config.rootDirectory, pod.metadata?.uid ?? "");
  await writeEtcHosts(path, pod, podIPs, podHostname(pod, config.clusterDomain));
  return path;
}

/** A new file for each start; anybody in the container may write it, whatever our umask. */
async function terminationFile(pod: Pod, container: Container, { config }: EdgedParts): Promise<string> {
  const directory = containerDirectory(config.rootDirectory, pod.metadata?.uid ?? "", container.name);
  await mkdir(directory, { recursive: true, mode: 0o750 });
  const path = join(directory, randomBytes(4).toString("hex"));
  await writeFile(path, "", { flag: "wx" });
  await chmod(path, 0o666);
  return path;
}
