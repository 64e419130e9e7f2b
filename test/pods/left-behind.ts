import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ContainerState, PodSandboxState } from "@kedge/cri";
import { podCgroups } from "./pod-cgroups.ts";
import type { PodTarget } from "./pod-target.ts";

const POLL_MS = 100;
const UID_LABEL = "io.kubernetes.pod.uid";
const LIST_MS = 20_000;

/**
 * What a node has of pods that it should not have any more: in the runtime, in cgroups, mounted, on disk. A kubelet keeps what
 * is dead in the runtime, and logs, until its garbage collection comes by: only Kedge is asked for those.
 */
async function leftBehind(target: PodTarget, expected: ReadonlySet<string>): Promise<string[]> {
  const deadToo = target.kind === "kedge";
  const isLeft = (uid: string) => uid !== "" && !expected.has(uid);
  const found: string[] = [];
  const { runtime } = target.containerd.client;
  const signal = AbortSignal.timeout(LIST_MS);
  for (const { id, labels, state } of await runtime.listContainers({}, signal))
    if ((deadToo || state === ContainerState.CONTAINER_RUNNING) && isLeft(labels[UID_LABEL] ?? ""))
      found.push(`container ${id}`);
  for (const { id, labels, state } of await runtime.listPodSandboxes({}, signal))
    if ((deadToo || state === PodSandboxState.SANDBOX_READY) && isLeft(labels[UID_LABEL] ?? ""))
      found.push(`sandbox ${id}`);
  for (const uid of await readdir(join(target.rootDirectory, "pods")).catch((): string[] => []))
    if (isLeft(uid)) found.push(`folder pods/${uid}`);
  for (const folder of deadToo ? await readdir(target.podLogs).catch((): string[] => []) : []) {
    const uid = folder.split("_").at(-1) ?? "";
    if (isLeft(uid)) found.push(`logs ${folder}`);
  }
  for (const uid of await mountsOf(target)) if (isLeft(uid)) found.push(`mount of ${uid}`);
  for (const { uid, path } of await podCgroups(target.cgroup)) if (isLeft(uid)) found.push(`cgroup ${path}`);
  return found;
}

/** Resolves when nothing is left. @throws with what is, after `timeoutMs`. */
export async function nothingLeft(target: PodTarget, expected: ReadonlySet<string>, timeoutMs: number): Promise<void> {
  const late = performance.now() + timeoutMs;
  for (;;) {
    const found = await leftBehind(target, expected);
    if (found.length === 0) return;
    if (performance.now() > late) throw new Error(`left behind: ${found.join("; ")}`);
    await delay(POLL_MS); // cgroups and mounts tell nobody when they go
  }
}

/** Of each mount in a pod's folder, the pod's uid; as the agent sees them. */
async function mountsOf({ rootDirectory, agentPid }: PodTarget): Promise<string[]> {
  const table = await readFile(`/proc/${agentPid ?? "self"}/mountinfo`, "utf8");
  const below = `${rootDirectory}/pods/`;
  return table
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((point) => point.startsWith(below))
    .map((point) => point.slice(below.length).split("/")[0] ?? "");
}
