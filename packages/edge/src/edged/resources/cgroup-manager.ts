import { readFile } from "node:fs/promises";
import type { Pod } from "@kedge/kube";
import { CgroupDirectories, type CgroupTree } from "./cgroup-directories.ts";
import { CgroupError } from "./cgroup-error.ts";
import { type CgroupHierarchy, parseCgroupHierarchies } from "./cgroup-hierarchies.ts";
import {
  type CgroupDriver,
  cgroupPath,
  existingCgroupPath,
  kubepodsCgroup,
  podCgroup,
  podElement,
  qosCgroup,
} from "./cgroup-names.ts";
import {
  burstableCpuShares,
  type CgroupOptions,
  type CgroupValues,
  milliCpuToShares,
  podCgroupValues,
  qosMemoryBytes,
} from "./cgroup-values.ts";
import type { QosClass } from "./qos-class.ts";
import { SystemdSlices } from "./systemd-slices.ts";
import { quantityMilli, quantityValue } from "./quantity.ts";

export interface CgroupManagerOptions extends CgroupOptions {
  readonly driver: CgroupDriver;
  /** `cgroupRoot`; default the root of each hierarchy. */
  readonly cgroupRoot?: string;
}

/** What pods may use together; absent: not limited. */
export interface PodsLimit {
  readonly cpu?: string | undefined;
  readonly memory?: string | undefined;
  /** Processes and threads. */
  readonly pid?: string | undefined;
}

/** As far as it matters, no limit of huge pages: a kubelet's. */
const HUGE_PAGES_UNBOUNDED_BYTES = 2 ** 62;

const CLASSES: readonly QosClass[] = ["Guaranteed", "Burstable", "BestEffort"];

/**
 * Keeps the cgroups above the containers: all pods, the QoS classes, each pod. Containers' own cgroups are made by the
 * runtime below a pod's. Every method may be repeated.
 */
export class CgroupManager {
  readonly version: 1 | 2;
  readonly #tree: CgroupTree;
  readonly #options: CgroupManagerOptions;
  #burstableShares: number | undefined;

  constructor(hierarchies: readonly CgroupHierarchy[], options: CgroupManagerOptions, tree?: CgroupTree) {
    this.version = hierarchies[0]?.version ?? 1;
    const Tree = options.driver === "systemd" ? SystemdSlices : CgroupDirectories;
    this.#tree = tree ?? new Tree(hierarchies);
    this.#options = options;
  }

  /** @throws CgroupError `CgroupUnavailable` when this machine mounts no cgroups. */
  static async detect(options: CgroupManagerOptions): Promise<CgroupManager> {
    const hierarchies = parseCgroupHierarchies(await readFile("/proc/self/mountinfo", "utf8"));
    if (hierarchies.length === 0)
      throw new CgroupError("no cgroup file system is mounted: mount cgroup2 on /sys/fs/cgroup", {
        code: "CgroupUnavailable",
        path: "/sys/fs/cgroup",
      });
    return new CgroupManager(hierarchies, options);
  }

  /**
   * Makes the tree for pods and limits it.
   *
   * @returns the limits that could not be set (the kernel refuses one below what pods use already): pods run all the
   *   same, but nothing keeps them from what the node needs itself. To be logged.
   * @throws CgroupError when there can be no tree.
   */
  async ensureRoot({ cpu, memory, pid }: PodsLimit): Promise<CgroupError[]> {
    const root = this.#path(kubepodsCgroup(this.#options.cgroupRoot));
    await this.#tree.ensure(root);
    for (const qosClass of CLASSES) await this.#tree.ensure(this.#path(this.#qos(qosClass)));
    const failures: CgroupError[] = [];
    const limit = async (path: string, values: CgroupValues) => {
      try {
        await this.#tree.write(path, values);
      } catch (error) {
        if (!(error instanceof CgroupError)) throw error;
        failures.push(error);
      }
    };
    if (cpu !== undefined) await limit(root, { cpuShares: milliCpuToShares(quantityMilli(cpu)) });
    if (memory !== undefined) await limit(root, { memoryLimitBytes: quantityValue(memory) });
    if (pid !== undefined) await limit(root, { pidsMax: quantityValue(pid) });
    const hugePages = this.#unboundedHugePages();
    for (const qosClass of CLASSES) await limit(this.#path(this.#qos(qosClass)), hugePages);
    await limit(this.#path(this.#qos("BestEffort")), { cpuShares: milliCpuToShares(0) });
    await this.updateQos([]);
    return failures;
  }

  /**
   * Makes the pod's cgroup with its limits.
   *
   * @param unlimitedCpu it has CPUs of its own, which it may use to the full.
   * @returns the sandbox' `cgroup_parent`.
   */
  async ensurePod(pod: Pod, unlimitedCpu = false): Promise<string> {
    const path = this.cgroupParentOf(pod);
    await this.#tree.ensure(path);
    const { memoryQos = false } = this.#options;
    const cpuCfsQuota = this.#options.cpuCfsQuota !== false && !unlimitedCpu;
    const options = { ...this.#options, cpuCfsQuota, memoryQos: memoryQos && this.version === 2 };
    await this.#tree.write(path, podCgroupValues(pod, options));
    return path;
  }

  cgroupParentOf(pod: Pod): string {
    return this.#path(podCgroup(pod, this.#options.cgroupRoot));
  }

  /** Gives the Burstable class the shares of its pods, and both classes the memory that is theirs. @param pods all here. */
  async updateQos(pods: Iterable<Pod>): Promise<void> {
    const all = [...pods];
    const shares = burstableCpuShares(all);
    if (shares !== this.#burstableShares) {
      await this.#tree.write(this.#path(this.#qos("Burstable")), { cpuShares: shares });
      this.#burstableShares = shares;
    }
    if (this.#options.memoryQos !== true || this.version !== 2) return;
    const { guaranteed, burstable } = qosMemoryBytes(all);
    // The class above must be promised what those below are.
    await this.#tree.write(this.#path(this.#qos("Guaranteed")), { memoryMinBytes: guaranteed + burstable });
    await this.#tree.write(this.#path(this.#qos("Burstable")), { memoryMinBytes: burstable });
  }

  /**
   * Limits a cgroup that is there already, such as the machine's own services': `systemReservedCgroup`.
   *
   * @throws CgroupError `CgroupUnavailable` when it is not there.
   */
  async limitExisting(name: string, values: CgroupValues): Promise<void> {
    await this.#tree.write(existingCgroupPath(name, this.#options.driver), values);
  }

  /** Removes what is left of a pod, whichever its class; kills nothing. @throws CgroupError `CgroupBusy` */
  async removePod(podUid: string): Promise<void> {
    for (const qosClass of CLASSES) await this.#tree.remove(this.#path([...this.#qos(qosClass), podElement(podUid)]));
  }

  /** The pods that have a cgroup here; those without a pod are to be removed. */
  async podUids(): Promise<string[]> {
    const uids = new Set<string>();
    for (const qosClass of CLASSES)
      for (const child of await this.#tree.children(this.#path(this.#qos(qosClass)))) {
        const uid =
          this.#options.driver === "cgroupfs"
            ? /^pod(.+)$/.exec(child)?.[1]
            : /-pod([^-]+)\.slice$/.exec(child)?.[1]?.replaceAll("_", "-");
        if (uid !== undefined) uids.add(uid);
      }
    return [...uids];
  }

  /** Removes the tree for pods if no pod is in it: what we made goes with us, what runs stays. systemd's are systemd's. */
  async removeIfEmpty(): Promise<void> {
    if (this.#options.driver === "systemd" || (await this.podUids()).length > 0) return;
    for (const qosClass of CLASSES.toReversed()) await this.#tree.removeIfEmpty(this.#path(this.#qos(qosClass)));
  }

  /** Removes the whole tree for pods, and those parents of it that are empty then. @throws CgroupError `CgroupBusy` */
  async removeAll(): Promise<void> {
    const kubepods = kubepodsCgroup(this.#options.cgroupRoot);
    await this.#tree.remove(this.#path(kubepods));
    for (let length = kubepods.length - 1; length > 0; length -= 1)
      if (!(await this.#tree.removeIfEmpty(this.#path(kubepods.slice(0, length))))) return;
  }

  #unboundedHugePages(): CgroupValues {
    const sizes = this.#options.hugePageSizes ?? [];
    return { hugePages: Object.fromEntries(sizes.map((size) => [size, HUGE_PAGES_UNBOUNDED_BYTES])) };
  }

  #qos(qosClass: QosClass) {
    return qosCgroup(qosClass, this.#options.cgroupRoot);
  }

  #path(name: readonly string[]): string {
    return cgroupPath(name, this.#options.driver);
  }
}
