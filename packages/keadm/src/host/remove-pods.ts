import { existsSync, lstatSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { CriClient, type PodSandbox } from "@kedge/cri";
import { toError } from "@kedge/runtime";
import { KeadmError } from "../keadm-error.ts";

const CALL_MS = 60_000;
/** Sandboxes stopped at once. */
const CONCURRENCY_MAX = 4;

/**
 * Ends all Kubernetes pods of a container runtime and removes them with their logs.
 *
 * @returns how many there were; undefined if there is no runtime.
 * @throws KeadmError `Busy` if the runtime does not do it: nothing else should be removed then.
 */
export async function removePods(endpoint: string, podLogs: string, signal: AbortSignal): Promise<number | undefined> {
  if (!existsSync(endpoint.replace(/^unix:\/\//, ""))) return undefined;
  using cri = new CriClient({ runtimeEndpoint: endpoint, timeoutMs: CALL_MS });
  try {
    const all = await cri.runtime.listPodSandboxes({}, signal);
    const pods = all.filter(({ labels }) => labels["io.kubernetes.pod.uid"] !== undefined);
    for (let at = 0; at < pods.length; at += CONCURRENCY_MAX)
      await Promise.all(
        pods.slice(at, at + CONCURRENCY_MAX).map(async (sandbox) => {
          await cri.runtime.stopPodSandbox(sandbox.id, signal);
          await cri.runtime.removePodSandbox(sandbox.id, signal);
          removeLogs(podLogs, sandbox);
        }),
      );
    removeDanglingLinks(join(dirname(podLogs), "containers"));
    return pods.length;
  } catch (error) {
    signal.throwIfAborted();
    throw new KeadmError(
      "Busy",
      endpoint,
      `the pods of ${endpoint} cannot be removed (${toError(error).message}): start the container runtime, then try again`,
      { cause: error },
    );
  }
}

function removeLogs(podLogs: string, { metadata }: PodSandbox): void {
  const folder = `${metadata?.namespace ?? ""}_${metadata?.name ?? ""}_${metadata?.uid ?? ""}`;
  if (!folder.includes("/")) rmSync(join(podLogs, folder), { recursive: true, force: true });
}

/** Links to logs that are gone. Who collects logs looks there; the agent makes them beside the logs' folder. */
function removeDanglingLinks(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    const link = join(folder, name);
    if (lstatSync(link).isSymbolicLink() && !existsSync(link)) rmSync(link, { force: true });
  }
}
