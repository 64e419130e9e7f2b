import { execFile } from "node:child_process";
import { basename } from "node:path";
import { promisify } from "node:util";
import { toError } from "@kedge/runtime";
import { CgroupDirectories, type CgroupTree } from "./cgroup-directories.ts";
import { CgroupError } from "./cgroup-error.ts";
import type { CgroupHierarchy } from "./cgroup-hierarchies.ts";
import { CFS_PERIOD_DEFAULT_US, type CgroupValues, sharesToWeight } from "./cgroup-values.ts";

const run = promisify(execFile);
const TIMEOUT_MS = 30_000;
/** systemctl's way to say that there is no such unit. */
const NOT_LOADED = 5;
const ACCOUNTING = ["CPUAccounting=yes", "MemoryAccounting=yes", "TasksAccounting=yes"];

/** Cgroups that systemd owns: it makes them as slices and must hear of every value, or it sets its own. */
export class SystemdSlices implements CgroupTree {
  readonly #directories: CgroupDirectories;
  readonly #version: 1 | 2;
  readonly #systemctl: string;

  /** @param systemctl the program, by name or path. */
  constructor(hierarchies: readonly CgroupHierarchy[], systemctl: string = "systemctl") {
    this.#directories = new CgroupDirectories(hierarchies);
    this.#version = hierarchies[0]?.version ?? 2;
    this.#systemctl = systemctl;
  }

  /** Slices above are started with it. @throws CgroupError */
  async ensure(path: string): Promise<void> {
    await this.#call(path, ["start", "--", basename(path)]);
    await this.#directories.ensure(path); // systemd makes it only where it has a controller of its own
  }

  async write(path: string, values: CgroupValues): Promise<void> {
    const properties = sliceProperties(values, this.#version);
    if (properties.length > 0)
      await this.#call(path, ["set-property", "--runtime", "--", basename(path), ...ACCOUNTING, ...properties]);
    const { hugePages } = values;
    if (hugePages !== undefined) await this.#directories.write(path, { hugePages }); // there is no property for them
  }

  /** Unlike a directory, a slice that is stopped takes its processes with it. */
  async remove(path: string): Promise<void> {
    await this.#call(path, ["stop", "--", basename(path)], NOT_LOADED);
    await this.#directories.remove(path); // what the runtime left below
  }

  async removeIfEmpty(path: string): Promise<boolean> {
    return this.#directories.removeIfEmpty(path);
  }

  async children(path: string): Promise<string[]> {
    return this.#directories.children(path);
  }

  async #call(path: string, words: readonly string[], fine: number = 0): Promise<void> {
    try {
      await run(this.#systemctl, words, { timeout: TIMEOUT_MS });
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === fine) return;
      if (code === "ENOENT")
        throw new CgroupError("cgroupDriver is systemd, but there is no systemctl here: set it to cgroupfs", {
          code: "CgroupNotSupported",
          path,
        });
      const text = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
      throw new CgroupError(
        `systemctl ${words[0] ?? ""} ${basename(path)} failed: ${text || toError(error).message}`,
        { code: "CgroupUnavailable", path },
        { cause: error },
      );
    }
  }
}

/** As systemd.resource-control(5) spells them. */
export function sliceProperties(values: CgroupValues, version: 1 | 2): string[] {
  const {
    cpuShares,
    cpuQuotaUs,
    cpuPeriodUs = CFS_PERIOD_DEFAULT_US,
    memoryLimitBytes,
    memoryMinBytes,
    pidsMax,
  } = values;
  const properties: string[] = [];
  if (cpuShares !== undefined)
    properties.push(version === 1 ? `CPUShares=${cpuShares}` : `CPUWeight=${sharesToWeight(cpuShares)}`);
  if (cpuQuotaUs !== undefined)
    properties.push(
      cpuQuotaUs < 0 ? "CPUQuota=" : `CPUQuota=${((cpuQuotaUs / cpuPeriodUs) * 100).toFixed(2)}%`,
      `CPUQuotaPeriodSec=${cpuPeriodUs}us`,
    );
  if (memoryLimitBytes !== undefined)
    properties.push(version === 1 ? `MemoryLimit=${memoryLimitBytes}` : `MemoryMax=${memoryLimitBytes}`);
  if (version === 2 && memoryMinBytes !== undefined) properties.push(`MemoryMin=${memoryMinBytes}`);
  if (pidsMax !== undefined) properties.push(`TasksMax=${pidsMax}`);
  return properties;
}
