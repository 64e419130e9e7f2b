import type { EdgeCoreConfig } from "@kedge/api";
import { reservedCpus } from "../cpus/cpu-manager-config.ts";
import { type CgroupValues, hugePagesResource, milliCpuToShares } from "../resources/cgroup-values.ts";
import { hugePageSizes } from "../resources/linux-resources.ts";
import { quantityMilli, quantityValue } from "../resources/quantity.ts";
import { NodeConfigError } from "./check-node-config.ts";
import type { NodeReservation } from "./node-capacity.ts";

/** A cgroup of the machine's own that is limited to what was reserved for it. */
export interface ReservedCgroup {
  /** As the file names it: `/system.slice`. */
  readonly name: string;
  readonly values: CgroupValues;
}

type Edged = EdgeCoreConfig["modules"]["edged"];

const KUBELET = "modules.edged.tailoredKubeletConfig";
/** What `enforceNodeAllocatable` may hold. */
const ENFORCEMENTS: Readonly<Record<string, "systemReserved" | "kubeReserved" | undefined>> = {
  none: undefined,
  pods: undefined,
  "system-reserved": "systemReserved",
  "system-reserved-compressible": "systemReserved",
  "kube-reserved": "kubeReserved",
  "kube-reserved-compressible": "kubeReserved",
};

/** What the node keeps for itself. @param evictionHard signal → threshold. @throws NodeConfigError */
export function nodeReservation(edged: Edged, evictionHard: Readonly<Record<string, string>>): NodeReservation {
  const kubelet = edged.tailoredKubeletConfig;
  const chosen = reservedCpus(kubelet);
  // Which CPUs are reserved says how many.
  const { cpu: _, ...others } = kubelet.kubeReserved ?? {};
  const cpus =
    chosen === undefined
      ? { kubeReserved: kubelet.kubeReserved, systemReserved: kubelet.systemReserved }
      : { kubeReserved: others, systemReserved: { ...kubelet.systemReserved, cpu: String(chosen.size) } };
  return {
    maxPods: kubelet.maxPods,
    podsPerCore: kubelet.podsPerCore,
    ...cpus,
    evictionHard,
    ignoreEvictionThreshold: edged.experimentalNodeAllocatableIgnoreEvictionThreshold,
    enforcesPods: kubelet.enforceNodeAllocatable.includes("pods"),
  };
}

/** The cgroups that `enforceNodeAllocatable` limits beside that of all pods. @throws NodeConfigError */
export function reservedCgroups({ tailoredKubeletConfig: kubelet }: Edged): ReservedCgroup[] {
  const keys = kubelet.enforceNodeAllocatable;
  const cgroups: ReservedCgroup[] = [];
  for (const [index, key] of keys.entries()) {
    const path = `enforceNodeAllocatable[${index}]`;
    if (!Object.hasOwn(ENFORCEMENTS, key))
      throw invalid(path, `is ${JSON.stringify(key)}: expected one of ${Object.keys(ENFORCEMENTS).join(", ")}`);
    if (key === "none" && keys.length > 1) throw invalid(path, "is none, which stands alone");
    if (keys.indexOf(key) !== index) throw invalid(path, `is ${key}, which is there already`);
    const owner = ENFORCEMENTS[key];
    if (owner === undefined) continue; // without cgroupsPerQOS there is nothing to enforce for pods
    if (!kubelet.cgroupsPerQOS) throw invalid(path, `is ${key}, which needs cgroupsPerQOS: true`);
    const isCompressible = key.endsWith("-compressible");
    if (!isCompressible && keys.includes(`${key}-compressible`))
      throw invalid(path, `is ${key}, which cannot stand beside ${key}-compressible`);
    const name = kubelet[`${owner}Cgroup`] ?? "";
    if (name === "") throw invalid(`${owner}Cgroup`, `must name a cgroup, since enforceNodeAllocatable has ${key}`);
    cgroups.push({ name, values: valuesOf(kubelet[owner] ?? {}, isCompressible) });
  }
  return cgroups;
}

function valuesOf(list: Readonly<Record<string, string>>, isCompressible: boolean): CgroupValues {
  const shares = list["cpu"] === undefined ? {} : { cpuShares: milliCpuToShares(quantityMilli(list["cpu"])) };
  if (isCompressible) return shares;
  const sizes = hugePageSizes().filter((size) => list[hugePagesResource(size)] !== undefined);
  const hugePages = sizes.map((size) => [size, quantityValue(list[hugePagesResource(size)])] as const);
  return {
    ...shares,
    ...(list["memory"] !== undefined && { memoryLimitBytes: quantityValue(list["memory"]) }),
    ...(list["pid"] !== undefined && { pidsMax: quantityValue(list["pid"]) }),
    ...(hugePages.length > 0 && { hugePages: Object.fromEntries(hugePages) }),
  };
}

function invalid(key: string, what: string): NodeConfigError {
  const path = `${KUBELET}.${key}`;
  return new NodeConfigError(`${path} ${what}`, { code: "InvalidNodeConfig", path });
}
