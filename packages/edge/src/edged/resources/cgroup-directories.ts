import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { toError } from "@kedge/runtime";
import { CgroupError } from "./cgroup-error.ts";
import type { CgroupHierarchy } from "./cgroup-hierarchies.ts";
import { type CgroupValues, sharesToWeight } from "./cgroup-values.ts";

/** Controllers that a pod's tree uses on version 2, as far as the kernel offers them. */
const V2_CONTROLLERS = ["cpuset", "cpu", "io", "memory", "hugetlb", "pids"];
const REMOVE_TRIES_MAX = 20;
const REMOVE_WAIT_MS = 10;

/** Who makes cgroups, each named by its path below the root: we ourselves, or systemd. */
export interface CgroupTree {
  /** Makes `path` and those above it. @throws CgroupError */
  ensure(path: string): Promise<void>;
  /** @throws CgroupError */
  write(path: string, values: CgroupValues): Promise<void>;
  /** Removes `path` with what is below; nothing there is success. @throws CgroupError */
  remove(path: string): Promise<void>;
  /** @returns false when some cgroup or process is in there still. */
  removeIfEmpty(path: string): Promise<boolean>;
  /** Names of the cgroups directly below `path`. */
  children(path: string): Promise<string[]>;
}

/** The same path in every cgroup tree of the machine, made by ourselves. */
export class CgroupDirectories implements CgroupTree {
  readonly #hierarchies: readonly CgroupHierarchy[];
  /** Those that limit something. */
  readonly #active: readonly CgroupHierarchy[];

  constructor(hierarchies: readonly CgroupHierarchy[]) {
    this.#hierarchies = hierarchies;
    this.#active = hierarchies.filter(({ idle }) => idle !== true);
  }

  async ensure(path: string): Promise<void> {
    for (const hierarchy of this.#active) {
      let directory = hierarchy.mountPoint;
      for (const element of path.split("/").filter((name) => name !== "")) {
        if (hierarchy.version === 2) await enableControllers(directory);
        const parent = directory;
        directory = join(directory, element);
        await make(directory);
        if (hierarchy.controllers.includes("cpuset")) await inheritCpuset(parent, directory);
      }
    }
  }

  async write(path: string, values: CgroupValues): Promise<void> {
    for (const { version, mountPoint, controllers } of this.#active) {
      const directory = join(mountPoint, path);
      const files = version === 2 ? v2Files(values) : v1Files(values, controllers);
      for (const [file, value] of files) await put(join(directory, file), value);
      if (values.hugePages !== undefined && (version === 2 || controllers.includes("hugetlb")))
        await limitHugePages(directory, version, values.hugePages);
    }
  }

  async remove(path: string): Promise<void> {
    for (const { mountPoint } of this.#hierarchies) await removeTree(join(mountPoint, path));
  }

  async removeIfEmpty(path: string): Promise<boolean> {
    let removed = true;
    for (const { mountPoint } of this.#hierarchies)
      try {
        await rmdir(join(mountPoint, path));
      } catch (error) {
        if (codeOf(error) !== "ENOENT") removed = false;
      }
    return removed;
  }

  async children(path: string): Promise<string[]> {
    const names = new Set<string>();
    for (const { mountPoint } of this.#hierarchies)
      for (const name of await subdirectories(join(mountPoint, path))) names.add(name);
    return [...names];
  }
}

/** File → value, in the order to write them. */
export function v1Files(values: CgroupValues, controllers: readonly string[]): [string, string][] {
  const files: [string, string][] = [];
  if (controllers.includes("cpu")) {
    if (values.cpuShares !== undefined) files.push(["cpu.shares", String(values.cpuShares)]);
    if (values.cpuPeriodUs !== undefined) files.push(["cpu.cfs_period_us", String(values.cpuPeriodUs)]);
    if (values.cpuQuotaUs !== undefined) files.push(["cpu.cfs_quota_us", String(values.cpuQuotaUs)]);
  }
  if (controllers.includes("memory") && values.memoryLimitBytes !== undefined)
    files.push(["memory.limit_in_bytes", String(values.memoryLimitBytes)]);
  if (controllers.includes("pids") && values.pidsMax !== undefined) files.push(["pids.max", String(values.pidsMax)]);
  return files;
}

export function v2Files(values: CgroupValues): [string, string][] {
  const files: [string, string][] = [];
  if (values.cpuShares !== undefined) files.push(["cpu.weight", String(sharesToWeight(values.cpuShares))]);
  if (values.cpuQuotaUs !== undefined) {
    const quota = values.cpuQuotaUs < 0 ? "max" : String(values.cpuQuotaUs);
    files.push(["cpu.max", `${quota} ${values.cpuPeriodUs ?? 100_000}`]);
  }
  if (values.memoryLimitBytes !== undefined) files.push(["memory.max", String(values.memoryLimitBytes)]);
  if (values.memoryMinBytes !== undefined) files.push(["memory.min", String(values.memoryMinBytes)]);
  if (values.pidsMax !== undefined) files.push(["pids.max", String(values.pidsMax)]);
  return files;
}

/** Pages in use, and where the kernel counts them, pages reserved. A kernel without the controller has no such files. */
async function limitHugePages(
  directory: string,
  version: 1 | 2,
  limits: Readonly<Record<string, number>>,
): Promise<void> {
  const offered = new Set(await readdir(directory).catch(() => []));
  for (const [size, bytes] of Object.entries(limits))
    for (const kind of ["", "rsvd."]) {
      const file = `hugetlb.${size}.${kind}${version === 2 ? "max" : "limit_in_bytes"}`;
      if (offered.has(file)) await put(join(directory, file), String(bytes));
    }
}

async function make(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o755 });
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw unavailable(directory, error);
  }
}

async function put(file: string, value: string): Promise<void> {
  try {
    await writeFile(file, value);
  } catch (error) {
    throw unavailable(file, error);
  }
}

// A new cpuset is empty, and no process can enter an empty one.
async function inheritCpuset(parent: string, directory: string): Promise<void> {
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    const own = (await readFile(join(directory, file), "utf8")).trim();
    if (own === "") await put(join(directory, file), (await readFile(join(parent, file), "utf8")).trim());
  }
}

async function enableControllers(directory: string): Promise<void> {
  const offered = await words(join(directory, "cgroup.controllers"));
  const enabled = await words(join(directory, "cgroup.subtree_control"));
  const missing = V2_CONTROLLERS.filter((name) => offered.includes(name) && !enabled.includes(name));
  if (missing.length > 0)
    await put(join(directory, "cgroup.subtree_control"), missing.map((name) => `+${name}`).join(" "));
}

async function words(file: string): Promise<string[]> {
  try {
    return (await readFile(file, "utf8")).split(/\s+/);
  } catch (error) {
    throw unavailable(file, error);
  }
}

async function removeTree(directory: string): Promise<void> {
  for (const child of await subdirectories(directory)) await removeTree(join(directory, child));
  for (let tries = 1; ; tries += 1) {
    try {
      await rmdir(directory);
      return;
    } catch (error) {
      const code = codeOf(error);
      if (code === "ENOENT") return;
      if (code !== "EBUSY" || tries === REMOVE_TRIES_MAX)
        throw code === "EBUSY"
          ? new CgroupError(`${directory} still has processes: stop the pod's containers first`, {
              code: "CgroupBusy",
              path: directory,
            })
          : unavailable(directory, error);
    }
    // A process that has just died leaves its cgroup a moment later.
    await new Promise((resolve) => setTimeout(resolve, REMOVE_WAIT_MS));
  }
}

async function subdirectories(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw unavailable(directory, error);
  }
}

function unavailable(path: string, error: unknown): CgroupError {
  return new CgroupError(
    `cannot use cgroup ${path}: ${toError(error).message}`,
    { code: "CgroupUnavailable", path },
    {
      cause: error,
    },
  );
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
