import { mkdir } from "node:fs/promises";
import { join, normalize } from "node:path";
import type { Pod } from "@kedge/kube";

/**
 * Makes the directories that other volumes are mounted on when a container mounts them inside this one: the container
 * sees this volume read-only, so its runtime could not.
 */
export async function makeNestedMountPoints(pod: Pod, volume: string, directory: string): Promise<void> {
  for (const path of nestedMountPoints(pod, volume))
    await mkdir(join(directory, path), { recursive: true, mode: 0o755 });
}

/** Paths below the volume. */
export function nestedMountPoints(pod: Pod, volume: string): string[] {
  const nested = new Set<string>();
  for (const { volumeMounts = [] } of [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]) {
    const outer = volumeMounts
      .filter(({ name, subPath, subPathExpr }) => name === volume && !subPath && !subPathExpr)
      .map(({ mountPath }) => `${normalize(`/${mountPath}`).replace(/\/$/, "")}/`);
    for (const { mountPath } of volumeMounts) {
      const path = normalize(`/${mountPath}`).replace(/\/$/, "");
      // The innermost volume around a mount point is the one that needs it.
      const around = volumeMounts
        .map((other) => `${normalize(`/${other.mountPath}`).replace(/\/$/, "")}/`)
        .filter((prefix) => path.startsWith(prefix))
        .sort((a, b) => b.length - a.length)[0];
      if (around !== undefined && outer.includes(around)) nested.add(path.slice(around.length));
    }
  }
  return [...nested].filter((path) => !path.split("/").some((element) => element.startsWith("..")));
}
