import { readdir } from "node:fs/promises";
import { join } from "node:path";

/** Of cgroup v1: a folder for each hierarchy. */
export const CGROUPS = "/sys/fs/cgroup";
export const QOS_CLASSES = ["guaranteed", "burstable", "besteffort"] as const;
export type QosClass = (typeof QOS_CLASSES)[number];

/** A pod's cgroup below a hierarchy's mount point. @param root {@link PodTarget.cgroup} */
export function podCgroup(root: string, qos: QosClass, podUid: string): string {
  return join(root, "kubepods", qos === "guaranteed" ? "" : qos, `pod${podUid}`);
}

/** Those of all pods, in every hierarchy. */
export async function podCgroups(root: string): Promise<{ uid: string; path: string }[]> {
  const hierarchies = await readdir(CGROUPS, { withFileTypes: true });
  const found: { uid: string; path: string }[] = [];
  for (const { name } of hierarchies.filter((entry) => entry.isDirectory()))
    for (const qos of QOS_CLASSES) {
      const parent = join(CGROUPS, name, podCgroup(root, qos, ""), "..");
      for (const child of await readdir(parent).catch((): string[] => []))
        if (child.startsWith("pod")) found.push({ uid: child.slice("pod".length), path: join(parent, child) });
    }
  return found;
}
