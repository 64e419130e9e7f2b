/** One mounted cgroup tree. */
export interface CgroupHierarchy {
  readonly version: 1 | 2;
  readonly mountPoint: string;
  /** Version 1: the controllers, or `name=systemd`. Version 2: empty, `cgroup.controllers` tells. */
  readonly controllers: readonly string[];
  /** The version 2 tree beside version 1's: it limits nothing, but runtimes leave directories in it. */
  readonly idle?: boolean;
}

// Options of a version 1 mount that are not controllers.
const MOUNT_OPTIONS: ReadonlySet<string> = new Set([
  "rw",
  "ro",
  "xattr",
  "clone_children",
  "noprefix",
  "release_agent",
]);

/**
 * The cgroup trees of this machine. On a hybrid layout the controllers are in version 1 trees, which come first; the
 * version 2 tree beside them is `idle`.
 *
 * @param mountinfo text of `/proc/self/mountinfo`; see proc_pid_mountinfo(5).
 */
export function parseCgroupHierarchies(mountinfo: string): CgroupHierarchy[] {
  const v1 = new Map<string, CgroupHierarchy>();
  let v2: CgroupHierarchy | undefined;
  for (const line of mountinfo.split("\n")) {
    const [mounted = "", filesystem = ""] = line.split(" - ");
    const mountPoint = unescapeMountPath(mounted.split(" ")[4] ?? "");
    const [type, , options = ""] = filesystem.split(" ");
    if (type === "cgroup2") v2 ??= { version: 2, mountPoint, controllers: [] };
    if (type !== "cgroup") continue;
    const controllers = options.split(",").filter((option) => !MOUNT_OPTIONS.has(option.split("=")[0] ?? ""));
    const key = controllers.join(",");
    const known = v1.get(key);
    // Bind mounts show one tree twice; the shortest path is the original.
    if (known === undefined || mountPoint.length < known.mountPoint.length)
      v1.set(key, { version: 1, mountPoint, controllers });
  }
  if (v1.size === 0) return v2 === undefined ? [] : [v2];
  return [...v1.values(), ...(v2 === undefined ? [] : [{ ...v2, idle: true }])];
}

/** Undoes the octal escapes of mountinfo: `\040` is a space. */
export function unescapeMountPath(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
