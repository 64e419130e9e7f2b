import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { toError } from "@kedge/runtime";
import type { EdgedParts } from "../edged-parts.ts";
import { removeDeadLogLinks } from "../runtime/container-logs.ts";
import { podOf } from "../runtime/read-runtime-pod.ts";

const POD_LOG_DIRECTORY = /^[^_]+_[^_]+_([^_]+)$/;

/** Removes what pods left behind that ended while nobody looked. @param isKnown tells of the uids that shall be here. */
export async function removeLeftovers(
  parts: EdgedParts,
  isKnown: (uid: string) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const { cri, volumes, cgroups, config, logger } = parts;
  // What the runtime still has is ended by its own worker, which cleans up after it.
  const [sandboxes, containers] = await Promise.all([
    cri.runtime.listPodSandboxes({}, signal),
    cri.runtime.listContainers({}, signal),
  ]);
  const inRuntime = new Set([...sandboxes, ...containers].map(({ labels }) => podOf(labels)?.uid));
  const isLeftover = (uid: string) => !isKnown(uid) && !inRuntime.has(uid);
  const attempt = async (uid: string, what: string, work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      signal.throwIfAborted();
      logger.warn({ uid, what, error: toError(error) }, "not removed after a pod that is gone");
    }
  };
  for (const uid of (await volumes.podUids()).filter(isLeftover))
    await attempt(uid, "volumes", () => volumes.release(uid, signal));
  for (const uid of ((await cgroups?.podUids()) ?? []).filter(isLeftover))
    await attempt(uid, "cgroup", async () => cgroups?.removePod(uid));
  for (const name of await readdir(config.podLogsDirectory)) {
    const uid = POD_LOG_DIRECTORY.exec(name)?.[1];
    if (uid === undefined || !isLeftover(uid)) continue;
    await attempt(uid, "logs", () => rm(join(config.podLogsDirectory, name), { recursive: true, force: true }));
  }
  await removeDeadLogLinks(config.containerLogsDirectory, config.podLogsDirectory);
}
