import { readdirSync, readFileSync, statfsSync } from "node:fs";
import { availableParallelism, cpus, release } from "node:os";
import { join } from "node:path";
import type { NodeSystemInfo } from "@kedge/kube";
import { memoryCapacityBytes } from "../resources/cgroup-values.ts";
import { swapCapacityBytes } from "../resources/swap.ts";
import { formatBytes } from "../resources/quantity.ts";

/** What Kubernetes calls this processor: Go's names. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: "amd64",
  arm64: "arm64",
  arm: "arm",
  ia32: "386",
  loong64: "loong64",
  ppc64: "ppc64le",
  riscv64: "riscv64",
  s390x: "s390x",
};

export interface MachineInfo {
  /** Logical processors. */
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Size of the file system that holds `rootDirectory`. */
  readonly storageBytes: number;
  /** Resource name (`hugepages-2Mi`) → bytes set aside. */
  readonly hugePages: Readonly<Record<string, number>>;
  /** Processes and threads that the kernel allows at once; undefined: not known. */
  readonly pidsMax?: number | undefined;
  /** 0: the machine does not swap. */
  readonly swapBytes?: number;
  /** All of `nodeInfo` but the versions of runtime and agent. */
  readonly system: Omit<NodeSystemInfo, "containerRuntimeVersion" | "kubeletVersion" | "kubeProxyVersion">;
}

/** What this machine is. Cheap: a handful of small files. */
export function readMachineInfo(rootDirectory: string): MachineInfo {
  const { bsize, blocks } = statfsSync(rootDirectory);
  return {
    cpus: cpus().length || availableParallelism(),
    memoryBytes: memoryCapacityBytes(),
    storageBytes: bsize * blocks,
    hugePages: readHugePages("/sys/kernel/mm/hugepages"),
    pidsMax: pidsMax("/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"),
    swapBytes: swapCapacityBytes(),
    system: {
      machineID: firstLine("/etc/machine-id", "/var/lib/dbus/machine-id"),
      systemUUID: firstLine(
        "/sys/class/dmi/id/product_uuid",
        "/proc/device-tree/system-id",
        "/proc/device-tree/vm,uuid",
        "/etc/machine-id",
      ),
      bootID: firstLine("/proc/sys/kernel/random/boot_id"),
      kernelVersion: release(),
      osImage: osImage(text("/etc/os-release") ?? text("/usr/lib/os-release") ?? ""),
      operatingSystem: "linux",
      architecture: architecture(),
    },
  };
}

export function architecture(): string {
  return ARCHITECTURES[process.arch] ?? process.arch;
}

/** @param release text of os-release(5). */
export function osImage(release: string): string {
  const value = /^PRETTY_NAME=(.*)$/m.exec(release)?.[1]?.trim() ?? "";
  return value.replace(/^(["'])(.*)\1$/, "$2") || "Linux";
}

function pidsMax(...paths: string[]): number | undefined {
  const limits = paths.map((path) => Number(text(path)?.trim() ?? "")).filter((limit) => limit > 0);
  return limits.length === 0 ? undefined : Math.min(...limits);
}

function readHugePages(directory: string): Record<string, number> {
  const pages: Record<string, number> = {};
  try {
    for (const entry of readdirSync(directory)) {
      const kib = Number(/^hugepages-(\d+)kB$/.exec(entry)?.[1]);
      const count = Number(text(join(directory, entry, "nr_hugepages")) ?? 0);
      if (kib > 0) pages[`hugepages-${formatBytes(kib * 1024)}`] = count * kib * 1024;
    }
  } catch {
    // a kernel without huge pages
  }
  return pages;
}

function firstLine(...paths: string[]): string {
  for (const path of paths) {
    const line = text(path)?.replaceAll("\0", "").trim();
    if (line !== undefined && line !== "") return line;
  }
  return "";
}

function text(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // not on this machine
  }
}
