import { mkdir, readdir, rm, rmdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { loadPluginServices } from "@kedge/cri";
import { compareQuantities, parseQuantity, type Pod, quantityToInteger } from "@kedge/kube";
import { hasErrno, type Logger, toError } from "@kedge/runtime";
import type { EdgeBus } from "../../edge-messages.ts";
import { podsDirectory, safeName, volumeDirectory } from "../volumes/pod-directory.ts";
import { mountPointsBelow, unmount } from "../volumes/run-mount.ts";
import { VolumeError } from "../volumes/volume-error.ts";
import { giveToGroup } from "../volumes/volume-ownership.ts";
import { publishContextOf } from "./attachment.ts";
import type { CsiDriver, CsiDrivers } from "./csi-drivers.ts";
import { type CsiSettings, readCsiSettings } from "./csi-settings.ts";
import type { CsiVolume } from "./csi-volume.ts";
import { KeyedLock } from "./keyed-lock.ts";
import { capabilityOf, ownsByGroup, podInfo, secretsOf, tokensOf } from "./mount-request.ts";
import {
  attachmentName,
  readVolumeData,
  removeVolumeData,
  stagingDirectory,
  stagingRoot,
  type VolumeData,
  writeVolumeData,
} from "./volume-data.ts";

export interface CsiVolumesDeps {
  readonly bus: EdgeBus;
  readonly logger: Logger;
  readonly drivers: CsiDrivers;
  readonly nodeName: string;
  /** The kubelet's, without symbolic links. */
  readonly rootDirectory: string;
}

const PLUGIN_DIRECTORY = "kubernetes.io~csi";

/**
 * Mounts and unmounts volumes of CSI drivers: staged once for the node, published for each pod. Records beside them, as a
 * kubelet writes them, and the kernel's mounts are the only state: whatever restarts, it goes on from there.
 */
export class CsiVolumes {
  readonly #deps: CsiVolumesDeps;
  /** By driver and handle: who stages must not meet who unstages. */
  readonly #locks = new KeyedLock();
  /** What this agent has staged; another one may have staged more, and drivers take being asked again. */
  readonly #staged = new Set<string>();
  #onInUse: (() => void) | undefined;

  constructor(deps: CsiVolumesDeps) {
    this.#deps = deps;
  }

  /**
   * The volumes that the cluster must not detach from this node, as a node's status names them. Drivers that need no
   * attaching are among them, which hurts nobody.
   */
  async inUse(): Promise<string[]> {
    const persistent = (await this.mounted()).filter(({ volumeLifecycleMode }) => volumeLifecycleMode !== "Ephemeral");
    const names = persistent.map(({ driverName, volumeHandle }) => `kubernetes.io/csi/${driverName}^${volumeHandle}`);
    return [...new Set(names)].toSorted();
  }

  /** Calls `listener` when {@link inUse} may be another. */
  onInUse(listener: () => void): void {
    this.#onInUse = listener;
  }

  /** Where the runtime finds it. */
  path(podUid: string, name: string): string {
    return join(volumeDirectory(this.#deps.rootDirectory, podUid, "csi", name), "mount");
  }

  /**
   * Mounts the volume for the pod, unless it is.
   *
   * @param again tell the driver also if it is mounted, where its CSIDriver asks for that.
   * @throws VolumeError, CriError
   */
  async mount(pod: Pod, volume: CsiVolume, again: boolean, signal: AbortSignal): Promise<void> {
    const { bus, logger, drivers } = this.#deps;
    const target = this.path(pod.metadata?.uid ?? "", volume.name);
    const mounted = await isMounted(target);
    if (mounted) await this.#giveToGroup(pod, target, signal);
    if (mounted && !again) return;
    const settings = await readCsiSettings(volume.driver, bus, logger, signal);
    if (mounted && !settings.requiresRepublish) return;
    const driver = drivers.get(volume.driver);
    if (!settings.lifecycleModes.includes(volume.lifecycle))
      throw new VolumeError(
        `volume mode "${volume.lifecycle}" not supported by driver ${volume.driver} (only supports ${JSON.stringify(settings.lifecycleModes)})`,
        { code: "VolumeNotSupported" },
      );
    await this.#locks.run(lockKey(volume.driver, volume.handle), () =>
      this.#publish(pod, volume, { driver, settings, target, mounted }, signal),
    );
  }

  async #publish(
    pod: Pod,
    volume: CsiVolume,
    {
      driver,
      settings,
      target,
      mounted,
    }: { driver: CsiDriver; settings: CsiSettings; target: string; mounted: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    const { bus, nodeName } = this.#deps;
    const { CsiAccessMode } = await loadPluginServices();
    const group = pod.spec?.securityContext?.fsGroup;
    const volumeCapability = capabilityOf(volume, driver, group, CsiAccessMode);
    const directory = join(target, "..");
    const publishContext = await publishContextOf(volume, settings, nodeName, bus, signal);
    const tokens = await tokensOf(pod, settings, bus, signal);
    const secrets = await secretsOf(volume.publishSecret, "NodePublishSecretRef", bus, signal);
    // First of all: who comes after a power cut must find it, and must not unstage what this pod is about to use.
    const owns = !mounted && group !== undefined && ownsByGroup(volume, driver, settings);
    await writeVolumeData(directory, {
      specVolID: volume.name,
      volumeHandle: volume.handle,
      driverName: volume.driver,
      nodeName,
      volumeLifecycleMode: volume.lifecycle,
      attachmentID: attachmentName(volume.handle, volume.driver, nodeName),
      ...(owns && { groupPending: String(group) }),
    });
    if (!mounted) this.#onInUse?.();
    const stages = volume.lifecycle === "Persistent" && driver.capabilities.stage;
    const stagingTargetPath = stages ? this.#stagingPath(volume.driver, volume.handle) : "";
    const key = lockKey(volume.driver, volume.handle);
    if (stages && !mounted && !this.#staged.has(key)) {
      const stageSecrets = await secretsOf(volume.stageSecret, "NodeStageSecretRef", bus, signal);
      await mkdir(stagingTargetPath, { recursive: true, mode: 0o750 });
      await writeVolumeData(join(stagingTargetPath, ".."), {
        volumeHandle: volume.handle,
        driverName: volume.driver,
      });
      const request = {
        volumeId: volume.handle,
        publishContext,
        stagingTargetPath,
        volumeCapability,
        secrets: stageSecrets,
        volumeContext: { ...volume.attributes },
      };
      await driver.node.stage(request, signal);
      this.#staged.add(key);
    }
    await driver.node.publish(
      {
        volumeId: volume.handle,
        publishContext,
        stagingTargetPath,
        targetPath: target,
        volumeCapability,
        readonly: volume.readOnly,
        secrets: settings.tokensInSecrets ? { ...secrets, ...tokens } : secrets,
        volumeContext: {
          ...volume.attributes,
          ...(settings.podInfoOnMount && podInfo(pod, volume)),
          ...(!settings.tokensInSecrets && tokens),
        },
      },
      signal,
    );
    await this.#giveToGroup(pod, target, signal);
  }

  /** What the record says is still to do: an agent may have ended between mounting and this. */
  async #giveToGroup(pod: Pod, target: string, signal: AbortSignal): Promise<void> {
    const directory = join(target, "..");
    const record = await readVolumeData(directory);
    if (record?.groupPending === undefined) return;
    const { groupPending, ...data } = record;
    await giveToGroup(target, Number(groupPending), pod.spec?.securityContext?.fsGroupChangePolicy, signal);
    await writeVolumeData(directory, data);
  }

  /**
   * Has the driver grow the file system of a volume that the cluster made larger, and tells the cluster.
   *
   * @throws CriError, VolumeError
   */
  async expand(pod: Pod, volume: CsiVolume, signal: AbortSignal): Promise<void> {
    const { capacity } = volume;
    if (capacity === undefined || volume.readOnly) return;
    if (compareQuantities(parseQuantity(capacity.wanted), parseQuantity(capacity.present)) <= 0) return;
    const { bus, drivers } = this.#deps;
    const driver = drivers.get(volume.driver);
    if (!driver.capabilities.expand) return;
    const { CsiAccessMode } = await loadPluginServices();
    const group = pod.spec?.securityContext?.fsGroup;
    await this.#locks.run(lockKey(volume.driver, volume.handle), async () => {
      const request = {
        volumeId: volume.handle,
        volumePath: this.path(pod.metadata?.uid ?? "", volume.name),
        stagingTargetPath: driver.capabilities.stage ? this.#stagingPath(volume.driver, volume.handle) : "",
        capacityRange: { requiredBytes: quantityToInteger(parseQuantity(capacity.wanted)) },
        volumeCapability: capabilityOf(volume, driver, group, CsiAccessMode),
        secrets: await secretsOf(volume.expandSecret, "NodeExpandSecretRef", bus, signal),
      };
      await driver.node.expand(request, signal);
    });
    const size = { uid: capacity.claimUid, storage: capacity.wanted };
    await bus.request("meta/reportClaimSize", { key: capacity.claim, size }, signal);
  }

  /** Unpublishes what the pod had, and unstages what nobody has any more. @throws VolumeError, CriError: try again. */
  async unmountPod(podUid: string, signal: AbortSignal): Promise<void> {
    const parent = join(podsDirectory(this.#deps.rootDirectory), safeName(podUid), "volumes", PLUGIN_DIRECTORY);
    for (const name of await names(parent)) {
      const directory = join(parent, name);
      const data = await readVolumeData(directory);
      if (data === undefined) await this.#unmountUnknown(directory, signal);
      else
        await this.#locks.run(lockKey(data.driverName, data.volumeHandle), async () => {
          await this.#unpublish(directory, data, signal);
          await this.#unstageIfUnused(data, signal);
        });
    }
  }

  async #unpublish(directory: string, data: VolumeData, signal: AbortSignal): Promise<void> {
    const target = join(directory, "mount");
    await this.#deps.drivers.get(data.driverName).node.unpublish(data.volumeHandle, target, signal);
    if (await isMounted(target))
      throw new VolumeError(`${target} is still mounted after CSI driver ${data.driverName} unpublished it`, {
        code: "VolumeBusy",
      });
    await removeEmpty(target);
    await removeVolumeData(directory);
    await removeEmpty(directory);
    this.#onInUse?.();
  }

  /** Without a record no driver was called; if something is mounted all the same, it is the kernel's word that counts. */
  async #unmountUnknown(directory: string, signal: AbortSignal): Promise<void> {
    for (const point of await mountPointsBelow(directory)) {
      this.#deps.logger.warn({ point }, "a CSI volume without a record of its driver is unmounted");
      await unmount(point, signal);
    }
  }

  /**
   * Unstages whatever of a driver no pod's directory tells of: what a crash, or an absent driver, left behind. Called when
   * the driver comes.
   */
  async sweep(driver: string, signal: AbortSignal): Promise<void> {
    const parent = join(stagingRoot(this.#deps.rootDirectory), driver);
    for (const name of await names(parent)) {
      const data = await readVolumeData(join(parent, name));
      if (data?.driverName !== driver) continue;
      await this.#locks.run(lockKey(driver, data.volumeHandle), () => this.#unstageIfUnused(data, signal));
    }
  }

  async #unstageIfUnused({ driverName, volumeHandle }: VolumeData, signal: AbortSignal): Promise<void> {
    const directory = stagingDirectory(this.#deps.rootDirectory, safeName(driverName), volumeHandle);
    if ((await readVolumeData(directory)) === undefined) return;
    const used = (await this.mounted()).some(
      (one) => one.driverName === driverName && one.volumeHandle === volumeHandle,
    );
    if (used) return;
    const driver = this.#deps.drivers.get(driverName);
    const path = this.#stagingPath(driverName, volumeHandle);
    this.#staged.delete(lockKey(driverName, volumeHandle));
    if (driver.capabilities.stage) await driver.node.unstage(volumeHandle, path, signal);
    if (await isMounted(path))
      throw new VolumeError(`${path} is still mounted after CSI driver ${driverName} unstaged it`, {
        code: "VolumeBusy",
      });
    await removeEmpty(path);
    await removeVolumeData(directory);
    await removeEmpty(directory);
  }

  /** The records of all pods' volumes here; of pods that end, too. */
  async mounted(): Promise<VolumeData[]> {
    const found: VolumeData[] = [];
    const pods = podsDirectory(this.#deps.rootDirectory);
    for (const uid of await names(pods)) {
      const parent = join(pods, uid, "volumes", PLUGIN_DIRECTORY);
      for (const name of await names(parent)) {
        const data = await readVolumeData(join(parent, name));
        if (data !== undefined) found.push(data);
      }
    }
    return found;
  }

  #stagingPath(driver: string, handle: string): string {
    return join(stagingDirectory(this.#deps.rootDirectory, safeName(driver), handle), "globalmount");
  }
}

function lockKey(driver: string, handle: string): string {
  return `${driver}^${handle}`;
}

async function isMounted(path: string): Promise<boolean> {
  return (await mountPointsBelow(path)).includes(path);
}

async function names(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch {
    return []; // not there
  }
}

/** Drivers should remove their targets themselves. What is not empty is somebody's data. */
async function removeEmpty(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return;
    if (hasErrno(error, "ENOTDIR")) return rm(path, { force: true });
    throw new VolumeError(`${basename(path)} cannot be removed: ${toError(error).message}`, { code: "VolumeBusy" });
  }
}
