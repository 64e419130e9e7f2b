import { mkdir, readdir, realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Device, Mount } from "@kedge/cri";
import type { Container, Node, Pod, Volume, VolumeMount } from "@kedge/kube";
import { type Clock, type Logger, toError } from "@kedge/runtime";
import type { EdgeBus } from "../../edge-messages.ts";
import { NodePlugins } from "../csi/node-plugins.ts";
import { KeyedLock } from "../csi/keyed-lock.ts";
import { ContainerConfigError } from "../env/container-config-error.ts";
import type { Allocatable } from "../env/container-resource-value.ts";
import type { EnvironmentVariable } from "../env/make-environment.ts";
import { PodObjects } from "../env/pod-objects.ts";
import { readCurrentFiles, writeAtomically } from "./atomic-writer.ts";
import { collectFiles } from "./collect-files.ts";
import { containerDevices, containerMounts, type MadeVolumes, type RuntimeMounts } from "./container-mounts.ts";
import { ensureDirectory, ensureEmptyDir, ensureTmpfs } from "./empty-dir.ts";
import { prepareHostPath } from "./host-path.ts";
import { mountLocal, mountNfs } from "./mount-persistent.ts";
import { makeNestedMountPoints } from "./nested-mount-points.ts";
import { podDirectory, podsDirectory, subPathTarget, UnsafeNameError, volumeDirectory } from "./pod-directory.ts";
import { mountPointsBelow, unmount } from "./run-mount.ts";
import { ServiceAccountTokens } from "./service-account-tokens.ts";
import { bindSubPath } from "./sub-path.ts";
import { VolumeError } from "./volume-error.ts";
import { giveToGroup, ownByGroup } from "./volume-ownership.ts";
import { directVolume, type ResolvedVolume, resolveVolume } from "./resolved-volume.ts";

export interface VolumeManagerConfig {
  /** `rootDirectory`; pods live below its `pods/`. */
  readonly rootDirectory: string;
  /** What the node gives to pods: the size of memory volumes, defaults of downward API fields. */
  readonly allocatable: () => Allocatable;
}

export interface VolumeManagerDeps {
  readonly bus: EdgeBus;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly node: {
    readonly name: string;
    /** As the cluster has it, for volumes that are tied to nodes. */
    node(): Node | undefined;
  };
}

/** Secrets stay in memory; a volume holds two versions of its files for a moment. */
const FILES_TMPFS_BYTES_MAX = 64 * 1024 * 1024;

/** Makes, fills, refreshes and removes the volumes of the node's pods. State is on disk alone, so a restart changes nothing. */
export class VolumeManager implements AsyncDisposable {
  readonly #root: string;
  readonly #config: VolumeManagerConfig;
  readonly #deps: VolumeManagerDeps;
  readonly #tokens: ServiceAccountTokens;
  /** By pod uid. */
  readonly #locks = new KeyedLock();
  /** Pod uid → volume → what it was made from, since this agent started. */
  readonly #made = new Map<string, Map<string, ResolvedVolume>>();
  /** Pods whose tokens are late: they get new ones as soon as the cloud is there. */
  readonly #late = new Map<string, Pod>();
  /** Pods whose CSI volumes wait for their drivers to be unmounted. */
  readonly #unreleased = new Set<string>();

  readonly #plugins: NodePlugins;
  readonly #handles = new DisposableStack();
  readonly #life = new AbortController();

  private constructor(root: string, config: VolumeManagerConfig, deps: VolumeManagerDeps, plugins: NodePlugins) {
    this.#plugins = plugins;
    this.#root = root;
    this.#config = config;
    this.#deps = deps;
    this.#tokens = new ServiceAccountTokens(deps.bus, deps.clock, deps.logger);
  }

  static async open(config: VolumeManagerConfig, deps: VolumeManagerDeps): Promise<VolumeManager> {
    await mkdir(podsDirectory(config.rootDirectory), { recursive: true, mode: 0o750 });
    // The kernel names mounts by their real path, so we must, too.
    const root = await realpath(config.rootDirectory);
    const plugins = await NodePlugins.start({ rootDirectory: root, nodeName: deps.node.name }, deps);
    const volumes = new VolumeManager(root, config, deps, plugins);
    plugins.follow(volumes);
    volumes.#handles.use(deps.bus.listen("hub/connection", ({ connected }) => connected && volumes.#refreshLate()));
    return volumes;
  }

  /** What registers on this node: CSI drivers, and what others take. */
  get plugins(): NodePlugins {
    return this.#plugins;
  }

  /** Ends what waits for plugins; all volumes stay as they are. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#handles.dispose();
    this.#life.abort();
    return this.#plugins[Symbol.asyncDispose]();
  }

  /**
   * Makes every volume that a container of the pod mounts. May be repeated at will; also brings files up to date. A
   * volume that was filled before keeps what it has if its source is gone: a pod that runs is not stopped for that.
   *
   * @throws VolumeError as a kubelet words it, for the pod's `FailedMount` event; try again later.
   */
  prepare(pod: Pod, signal: AbortSignal): Promise<void> {
    return this.#exclusive(pod, async () => {
      await mkdir(join(podDirectory(this.#root, uidOf(pod)), "volumes"), { recursive: true, mode: 0o750 });
      const objects = new PodObjects(this.#deps.bus, pod.metadata?.namespace ?? "", signal);
      for (const volume of usedVolumes(pod)) {
        try {
          await this.#setUp(pod, volume, objects, signal);
        } catch (error) {
          signal.throwIfAborted();
          const message = `MountVolume.SetUp failed for volume "${volume.name}" : ${toError(error).message}`;
          const code =
            error instanceof VolumeError
              ? error.code
              : error instanceof UnsafeNameError
                ? "InvalidVolume"
                : "VolumeSourceMissing";
          throw new VolumeError(message, { code, volume: volume.name }, { cause: error });
        }
      }
      this.#noteLate(pod);
    });
  }

  /**
   * Writes anew the files of ConfigMaps, Secrets, tokens and downward API fields that changed; to be called when one of
   * them changed, and now and then for the tokens' sake. Does nothing to a pod without volumes here.
   */
  refresh(pod: Pod, signal: AbortSignal): Promise<void> {
    return this.#exclusive(pod, async () => {
      const present = new Set(await this.podUids());
      if (!present.has(uidOf(pod))) return;
      const objects = new PodObjects(this.#deps.bus, pod.metadata?.namespace ?? "", signal);
      for (const volume of usedVolumes(pod)) {
        try {
          const made = await this.#resolve(pod, volume, signal);
          if (made.kind === "files") await this.#setUp(pod, volume, objects, signal);
          if (made.kind === "csi") {
            await this.#plugins.volumes.mount(pod, made.csi, true, signal);
            if (this.#plugins.drivers.canExpand(made.csi.driver)) await this.#expand(pod, volume, signal);
          }
        } catch (error) {
          signal.throwIfAborted();
          const facts = { pod: pod.metadata?.name, volume: volume.name, error: toError(error) };
          this.#deps.logger.warn(facts, "volume not refreshed");
        }
      }
      this.#noteLate(pod);
    });
  }

  #noteLate(pod: Pod): void {
    if (this.#tokens.takeLate(uidOf(pod))) this.#late.set(uidOf(pod), pod);
    else this.#late.delete(uidOf(pod));
  }

  /** After months without the cloud no token serves any more: nobody shall wait for the next round. */
  #refreshLate(): void {
    for (const pod of this.#late.values())
      this.refresh(pod, this.#life.signal).catch((error: unknown) => {
        if (!this.#life.signal.aborted)
          this.#deps.logger.warn({ pod: pod.metadata?.name, error: toError(error) }, "tokens not renewed");
      });
  }

  /**
   * What the runtime mounts into a container; {@link prepare} has succeeded before.
   *
   * @param environment the container's, for `subPathExpr`.
   * @throws ContainerConfigError
   */
  mountsFor(
    pod: Pod,
    container: Container,
    environment: readonly EnvironmentVariable[],
    signal: AbortSignal,
    can: RuntimeMounts = { recursiveReadOnlyMounts: false },
  ): Promise<Mount[]> {
    return containerMounts(pod, container, this.#madeFor(pod, container, signal), environment, can);
  }

  /** Unmounts and removes everything of a pod whose containers are gone. @throws VolumeError `VolumeBusy`: try again. */
  release(podUid: string, signal: AbortSignal): Promise<void> {
    return this.#exclusive({ metadata: { uid: podUid } }, async () => {
      const directory = podDirectory(this.#root, podUid);
      this.#unreleased.add(podUid);
      await this.#plugins.volumes.unmountPod(podUid, signal);
      for (const mounted of await mountPointsBelow(directory)) await unmount(mounted, signal);
      const [left] = await mountPointsBelow(directory);
      // Removing files through a mount would remove somebody's data.
      if (left !== undefined) throw new VolumeError(`${left} is still mounted`, { code: "VolumeBusy" });
      await rm(directory, { recursive: true, force: true });
      this.#tokens.forget(podUid);
      this.#made.delete(podUid);
      this.#late.delete(podUid);
      this.#unreleased.delete(podUid);
    });
  }

  /** Tries {@link release} again for pods that are gone, and whose CSI driver was away then. */
  async retryReleases(signal: AbortSignal): Promise<void> {
    for (const podUid of this.#unreleased) {
      try {
        await this.release(podUid, signal);
      } catch (error) {
        signal.throwIfAborted();
        this.#deps.logger.debug({ podUid, error: toError(error) }, "volumes not released yet");
      }
    }
  }

  /** Devices that a container gets of its volumes; {@link prepare} has succeeded before. @throws ContainerConfigError */
  devicesFor(pod: Pod, container: Container): Promise<Device[]> {
    return containerDevices(pod, container, { made: (volume) => this.#madeOf(pod, volume, container) });
  }

  /** The pods that have a directory here; those that nobody knows any more are to be released. */
  async podUids(): Promise<string[]> {
    await mkdir(podsDirectory(this.#root), { recursive: true, mode: 0o750 }); // somebody may have cleaned up
    const entries = await readdir(podsDirectory(this.#root), { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  }

  async #setUp(pod: Pod, volume: Volume, objects: PodObjects, signal: AbortSignal): Promise<void> {
    const made = await this.#resolve(pod, volume, signal);
    const group = pod.spec?.securityContext?.fsGroup;
    if (made.kind === "hostPath") return void (await prepareHostPath(made.source, volume.name));
    if (made.kind === "csi") return this.#plugins.volumes.mount(pod, made.csi, false, signal);
    const directory = volumeDirectory(this.#root, uidOf(pod), made.directory, made.name);
    const allocatable = this.#config.allocatable();
    if (made.kind === "emptyDir") return ensureEmptyDir(pod, volume, directory, allocatable, signal);
    if (made.kind === "local" || made.kind === "nfs") return this.#mount(pod, made, directory, signal);

    const shown = await readCurrentFiles(directory);
    let files;
    try {
      files = await collectFiles(pod, volume, { objects, tokens: this.#tokens, allocatable, shown }, signal);
    } catch (error) {
      if (shown.size === 0 || signal.aborted) throw error;
      const facts = { pod: pod.metadata?.name, volume: volume.name, error: toError(error) };
      this.#deps.logger.warn(facts, "source of a volume is missing: the volume keeps what it has");
      return;
    }
    if (made.directory === "configmap") await ensureDirectory(directory, group);
    else await ensureTmpfs(directory, FILES_TMPFS_BYTES_MAX, group, signal);
    await makeNestedMountPoints(pod, volume.name, directory);
    await writeAtomically(directory, files, async (version) => {
      if (group !== undefined) await ownByGroup(version, group);
    });
  }

  /** What a volume was once made from is what it is: nobody is asked again while the pod lives. */
  async #resolve(pod: Pod, volume: Volume, signal: AbortSignal): Promise<ResolvedVolume> {
    const uid = uidOf(pod);
    const known = this.#made.get(uid)?.get(volume.name);
    if (known !== undefined) return known;
    const resolved = await resolveVolume(pod, volume, this.#deps.node.node(), this.#deps.bus, signal);
    if (resolved.block && resolved.kind !== "local")
      throw new VolumeError("block volumes of CSI drivers are not supported on this node yet", {
        code: "VolumeNotSupported",
      });
    const made = this.#made.get(uid) ?? new Map<string, ResolvedVolume>();
    this.#made.set(uid, made.set(volume.name, resolved));
    return resolved;
  }

  /** The cluster may have made a volume larger while the pod runs; it says so to who asks. */
  async #expand(pod: Pod, volume: Volume, signal: AbortSignal): Promise<void> {
    if (volume.persistentVolumeClaim === undefined && volume.ephemeral === undefined) return;
    const { bus, node } = this.#deps;
    const now = await resolveVolume(pod, volume, node.node(), bus, signal);
    if (now.kind === "csi") await this.#plugins.volumes.expand(pod, now.csi, signal);
  }

  async #mount(
    pod: Pod,
    made: Extract<ResolvedVolume, { kind: "local" | "nfs" }>,
    target: string,
    signal: AbortSignal,
  ): Promise<void> {
    if (made.block) return;
    const { readOnly, mountOptions } = made;
    const mount = { target, readOnly, mountOptions };
    if (made.kind === "nfs") return mountNfs(made.source, mount, signal);
    const { fsGroup, fsGroupChangePolicy } = pod.spec?.securityContext ?? {};
    const own = async (source: string) => {
      if (readOnly || fsGroup === undefined) return;
      // Who uses it already got it as it shall be.
      const suffix = `/kubernetes.io~local-volume/${made.name}`;
      const isUsed = (await mountPointsBelow(podsDirectory(this.#root))).some((point) => point.endsWith(suffix));
      if (!isUsed) await giveToGroup(source, fsGroup, fsGroupChangePolicy, signal);
    };
    await mountLocal(made.source, mount, own, signal);
  }

  #madeFor(pod: Pod, container: Container, signal: AbortSignal): MadeVolumes {
    return {
      made: (volume) => this.#madeOf(pod, volume, container),
      hostPath: (made) => this.#hostPath(pod, made),
      bindSubPath: async (base, elements, mount, index) => {
        const target = subPathTarget(this.#root, uidOf(pod), mount.name, container.name, index);
        await this.#bindSubPath(base, elements, target, mount, container, signal);
        return target;
      },
    };
  }

  #madeOf(pod: Pod, volume: Volume, container: Container): ResolvedVolume {
    const made = this.#made.get(uidOf(pod))?.get(volume.name) ?? directVolume(pod, volume);
    if (made === undefined)
      throw new ContainerConfigError(`volume "${volume.name}" is not ready for container "${container.name}"`);
    return made;
  }

  #hostPath(pod: Pod, made: ResolvedVolume): string {
    if (made.kind === "hostPath") return made.source.path;
    if (made.kind === "csi") return this.#plugins.volumes.path(uidOf(pod), made.name);
    return volumeDirectory(this.#root, uidOf(pod), made.directory, made.name);
  }

  async #bindSubPath(
    base: string,
    elements: readonly string[],
    target: string,
    mount: VolumeMount,
    container: Container,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await bindSubPath(base, elements, target, signal);
    } catch (error) {
      signal.throwIfAborted();
      // Details would tell the pod's author about the host's files.
      this.#deps.logger.error({ target, error: toError(error) }, "sub-path not mounted");
      throw new ContainerConfigError(
        `failed to prepare subPath for volumeMount "${mount.name}" of container "${container.name}"`,
        { cause: error },
      );
    }
  }

  #exclusive<T>(pod: Pod, work: () => Promise<T>): Promise<T> {
    return this.#locks.run(uidOf(pod), work);
  }
}

function uidOf(pod: Pod): string {
  return pod.metadata?.uid ?? "";
}

/** Volumes that no container mounts are not made. */
function usedVolumes(pod: Pod): Volume[] {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  const used = new Set(
    containers.flatMap(({ volumeMounts = [], volumeDevices = [] }) =>
      [...volumeMounts, ...volumeDevices].map(({ name }) => name),
    ),
  );
  return (pod.spec?.volumes ?? []).filter(({ name }) => used.has(name));
}
