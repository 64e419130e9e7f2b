import { goMap, kubeletChecksum } from "../kubelet-checksum.ts";
import { type CpuSet, formatCpuSet, parseCpuSet } from "./cpu-set.ts";

/** Which CPUs are whose. */
export interface CpuCheckpoint {
  readonly policy: string;
  /** Of all that have none of their own. */
  readonly shared: CpuSet;
  /** pod uid → container → its own. */
  readonly entries: ReadonlyMap<string, ReadonlyMap<string, CpuSet>>;
}

/** As kubelets name it, in their root directory. */
export const CPU_CHECKPOINT_FILE = "cpu_manager_state";

interface FileData {
  policyName: string;
  defaultCpuSet: string;
  entries?: Record<string, Record<string, string>>;
  podEntries?: Record<string, unknown>;
  checksum: number;
}

/** A kubelet's `cpu_manager_state`: with it containers keep their CPUs when a node is moved from a stock agent, or back. */
export function writeCpuCheckpoint({ policy, shared, entries }: CpuCheckpoint): string {
  const texts = [...entries].map(([uid, containers]) => {
    const sets = [...containers].map(([name, cpus]) => [name, formatCpuSet(cpus)]);
    return [uid, Object.fromEntries(sets)] as const;
  });
  const data: FileData = {
    policyName: policy,
    defaultCpuSet: formatCpuSet(shared),
    ...(texts.length > 0 && { entries: Object.fromEntries(texts) as Record<string, Record<string, string>> }),
    checksum: 0,
  };
  return JSON.stringify({ ...data, checksum: kubeletChecksum(dump(data)) });
}

/** @throws Error when it is damaged. */
export function readCpuCheckpoint(text: string): CpuCheckpoint {
  const data = JSON.parse(text) as FileData;
  const known = [dump(data), dump(data, "CPUManagerCheckpointV2"), dump(data, "CPUManagerCheckpoint", true)];
  if (!known.some((one) => kubeletChecksum(one) === data.checksum))
    throw new Error("the checksum is not that of the data");
  const entries = Object.entries(data.entries ?? {}).map(([uid, containers]) => {
    const sets = Object.entries(containers).map(([name, cpus]) => [name, parseCpuSet(cpus)] as const);
    return [uid, new Map(sets)] as const;
  });
  return { policy: data.policyName, shared: parseCpuSet(data.defaultCpuSet), entries: new Map(entries) };
}

/** As Go's dump writes it. Newer kubelets count pods' own sets, too: we only know files without any. */
function dump({ policyName, defaultCpuSet, entries = {} }: FileData, type = "CPUManagerCheckpoint", hasPods = false) {
  const map = goMap(Object.entries(entries), (containers) => goMap(Object.entries(containers), (cpus) => cpus));
  const pods = hasPods ? " PodEntries:(state.PodCPUAssignments)map[]" : "";
  return `(*state.${type}){PolicyName:(string)${policyName} DefaultCPUSet:(string)${defaultCpuSet} Entries:(map[string]map[string]string)${map}${pods} Checksum:(checksum.Checksum)0}`;
}
