import { realpath } from "node:fs/promises";
import { type Device, type Mount, MountPropagation } from "@kedge/cri";
import type { Container, Pod, Volume, VolumeMount } from "@kedge/kube";
import { toError } from "@kedge/runtime";
import { ContainerConfigError } from "../env/container-config-error.ts";
import { expandVariables } from "../env/expand-variables.ts";
import type { EnvironmentVariable } from "../env/make-environment.ts";
import type { ResolvedVolume } from "./resolved-volume.ts";
import { subPathElements } from "./sub-path.ts";

/** What of mounts the pod's runtime handler can. */
export interface RuntimeMounts {
  readonly recursiveReadOnlyMounts: boolean;
}

/** The volumes of a pod, made. */
export interface MadeVolumes {
  /** @throws ContainerConfigError */
  made(volume: Volume): ResolvedVolume;
  hostPath(made: ResolvedVolume): string;
  /** Binds a part of a volume for the mount with this index. @returns where it is then. */
  bindSubPath(base: string, elements: readonly string[], mount: VolumeMount, index: number): Promise<string>;
}

/**
 * What the runtime mounts into a container.
 *
 * @param environment the container's, for `subPathExpr`.
 * @throws ContainerConfigError
 */
export async function containerMounts(
  pod: Pod,
  container: Container,
  volumes: MadeVolumes,
  environment: readonly EnvironmentVariable[],
  can: RuntimeMounts,
): Promise<Mount[]> {
  const mounts: Mount[] = [];
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const volume = volumeOf(pod, mount.name, `mount into container "${container.name}"`);
    if (mount.recursiveReadOnly === "Enabled" && !can.recursiveReadOnlyMounts)
      throw new ContainerConfigError(
        `volume "${mount.name}" requested recursive read-only mode, but it is not supported by the runtime`,
      );
    const made = volumes.made(volume);
    if (made.block)
      throw new ContainerConfigError(
        `volume "${volume.name}" is a block device: container "${container.name}" must name it in volumeDevices`,
      );
    const subPath = subPathOf(mount, environment);
    const base = volumes.hostPath(made);
    mounts.push({
      containerPath: mount.mountPath.startsWith("/") ? mount.mountPath : `/${mount.mountPath}`,
      hostPath: subPath.length === 0 ? base : await volumes.bindSubPath(base, subPath, mount, index),
      readonly: mount.readOnly === true || made.readOnly || made.kind === "files",
      propagation: propagationOf(mount),
      ...(wantsRecursiveReadOnly(mount) && can.recursiveReadOnlyMounts && { recursiveReadOnly: true }),
    });
  }
  return mounts;
}

/** Devices that a container gets of its volumes. @throws ContainerConfigError */
export async function containerDevices(
  pod: Pod,
  container: Container,
  { made: madeOf }: Pick<MadeVolumes, "made">,
): Promise<Device[]> {
  const devices: Device[] = [];
  for (const { name, devicePath } of container.volumeDevices ?? []) {
    const made = madeOf(volumeOf(pod, name, `map into container "${container.name}"`));
    if (made.kind !== "local" || !made.block)
      throw new ContainerConfigError(
        `volume "${name}" is not a block device: container "${container.name}" must name it in volumeMounts`,
      );
    const hostPath = await realpath(made.source.path);
    devices.push({ containerPath: devicePath, hostPath, permissions: made.readOnly ? "r" : "mrw" });
  }
  return devices;
}

function volumeOf({ spec }: Pod, name: string, purpose: string): Volume {
  const volume = spec?.volumes?.find((one) => one.name === name);
  if (volume === undefined) throw new ContainerConfigError(`cannot find volume "${name}" to ${purpose}`);
  return volume;
}

function subPathOf({ subPath, subPathExpr }: VolumeMount, environment: readonly EnvironmentVariable[]): string[] {
  let path = subPath ?? "";
  if (subPathExpr !== undefined && subPathExpr !== "") {
    const values = new Map(environment.map(({ name, value }) => [name, value]));
    path = expandVariables(subPathExpr, (name) => {
      const value = values.get(name);
      if (value === undefined) throw new ContainerConfigError(`missing value for "${name}" in subPathExpr`);
      return value;
    });
  }
  try {
    return subPathElements(path);
  } catch (error) {
    throw new ContainerConfigError(toError(error).message, { cause: error });
  }
}

function propagationOf({ mountPropagation }: VolumeMount): MountPropagation {
  if (mountPropagation === "Bidirectional") return MountPropagation.PROPAGATION_BIDIRECTIONAL;
  if (mountPropagation === "HostToContainer") return MountPropagation.PROPAGATION_HOST_TO_CONTAINER;
  return MountPropagation.PROPAGATION_PRIVATE;
}

function wantsRecursiveReadOnly({ recursiveReadOnly = "Disabled" }: VolumeMount): boolean {
  return recursiveReadOnly !== "Disabled";
}
