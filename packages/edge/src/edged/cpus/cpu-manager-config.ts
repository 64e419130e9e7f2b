import type { EdgeCoreConfig } from "@kedge/api";
import { NodeConfigError } from "../node/check-node-config.ts";
import { quantityMilli } from "../resources/quantity.ts";
import { type CpuSet, parseCpuSet } from "./cpu-set.ts";

export interface CpuManagerConfig {
  /** `cpuManagerPolicy` */
  readonly policy: "none" | "static";
  /** CPUs that `kubeReserved` and `systemReserved` keep, in thousandths; unless {@link reserved} says which. */
  readonly reservedMilli: number;
  /** `reservedSystemCPUs` */
  readonly reserved: CpuSet | undefined;
  /** The option `full-pcpus-only`: containers get whole cores, or are refused. */
  readonly fullCoresOnly: boolean;
  /** The option `strict-cpu-reservation`: nobody runs on the reserved ones. */
  readonly strictReservation: boolean;
  /** `cpuManagerReconcilePeriod` */
  readonly reconcileMs: number;
}

/** KubeEdge's defaults. */
export const CPU_MANAGER_OFF: CpuManagerConfig = {
  policy: "none",
  reservedMilli: 0,
  reserved: undefined,
  fullCoresOnly: false,
  strictReservation: false,
  reconcileMs: 10_000,
};

type KubeletConfig = EdgeCoreConfig["modules"]["edged"]["tailoredKubeletConfig"];

const KUBELET = "modules.edged.tailoredKubeletConfig";
const FULL_CORES = "full-pcpus-only";
const STRICT = "strict-cpu-reservation";

/** @throws NodeConfigError: a node that promises CPUs which it does not give would deceive those who rely on them. */
export function cpuManagerConfig(kubelet: KubeletConfig): CpuManagerConfig {
  refuseOthers(kubelet);
  const policy = kubelet.cpuManagerPolicy;
  if (policy !== "none" && policy !== "static")
    throw invalid("cpuManagerPolicy", `is ${JSON.stringify(policy)}: expected none or static`);
  const reserved = reservedCpus(kubelet);
  const reservedMilli =
    reserved === undefined
      ? quantityMilli(kubelet.kubeReserved?.["cpu"]) + quantityMilli(kubelet.systemReserved?.["cpu"])
      : reserved.size * 1000;
  const options = policy === "static" ? kubelet.cpuManagerPolicyOptions : undefined;
  for (const name of Object.keys(options ?? {}))
    if (name !== FULL_CORES && name !== STRICT)
      throw invalid(
        `cpuManagerPolicyOptions.${name}`,
        `is not supported: leave it out, or use ${FULL_CORES} or ${STRICT}`,
      );
  if (policy === "static" && reservedMilli === 0)
    throw invalid(
      "cpuManagerPolicy",
      "is static, which needs CPUs that nobody has alone: set reservedSystemCPUs, or cpu in kubeReserved or systemReserved",
    );
  return {
    policy,
    reservedMilli,
    reserved,
    fullCoresOnly: isOn(options, FULL_CORES),
    strictReservation: isOn(options, STRICT),
    reconcileMs: kubelet.cpuManagerReconcilePeriod,
  };
}

/** `reservedSystemCPUs`; undefined: not set. @throws NodeConfigError */
export function reservedCpus(kubelet: KubeletConfig): CpuSet | undefined {
  const text = kubelet.reservedSystemCPUs ?? "";
  if (text === "") return undefined;
  if ((kubelet.systemReservedCgroup ?? "") !== "" || (kubelet.kubeReservedCgroup ?? "") !== "")
    throw invalid("reservedSystemCPUs", "cannot be used together with systemReservedCgroup or kubeReservedCgroup");
  try {
    return parseCpuSet(text);
  } catch (error) {
    throw invalid("reservedSystemCPUs", `is no list of CPUs: expected one like 0-1,4`, error);
  }
}

function refuseOthers({ memoryManagerPolicy, topologyManagerPolicy }: KubeletConfig): void {
  if (memoryManagerPolicy !== "None" && memoryManagerPolicy !== "")
    throw invalid("memoryManagerPolicy", `${JSON.stringify(memoryManagerPolicy)} is not supported: expected None`);
  if (topologyManagerPolicy !== "none" && topologyManagerPolicy !== "")
    throw invalid("topologyManagerPolicy", `${JSON.stringify(topologyManagerPolicy)} is not supported: expected none`);
}

function isOn(options: Readonly<Record<string, string>> | undefined, name: string): boolean {
  const value = options?.[name];
  if (value === undefined || value === "false") return false;
  if (value === "true") return true;
  throw invalid(`cpuManagerPolicyOptions.${name}`, `is ${JSON.stringify(value)}: expected "true" or "false"`);
}

function invalid(key: string, what: string, cause?: unknown): NodeConfigError {
  const path = `${KUBELET}.${key}`;
  return new NodeConfigError(`${path} ${what}`, { code: "InvalidNodeConfig", path }, { cause });
}
