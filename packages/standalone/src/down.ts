import { rmSync } from "node:fs";
import { mkdir, readdir, rm, rmdir } from "node:fs/promises";
import { CriClient } from "@kedge/cri";
import { ManagedProcess, type ProcessName } from "./managed-process.ts";
import { removeOwnChains } from "./node/cni-chains.ts";
import { accepts } from "./node/containerd.ts";
import { unmountBelow } from "./node/unmount-below.ts";
import { removeCgroups } from "./node/remove-cgroups.ts";
import { runCommand } from "./run-command.ts";
import { ownPaths, type StatePaths, statePaths } from "./state-paths.ts";
import { withLock } from "./up/lock.ts";
import type { Progress } from "./up/progress.ts";
import { readRecord } from "./up/up-record.ts";
import { UserError } from "./user-error.ts";

const STOP_GRACE_MS = 10_000;

export interface DownOptions {
  readonly stateDir: string;
  readonly purge: boolean;
}

/**
 * Stops everything that `up` started: the sensor and the agent first, so that nothing starts containers again, then the
 * containers, containerd, and the cloud. With `purge` also removes whatever they left on the host.
 */
export async function down(options: DownOptions, progress: Progress, signal: AbortSignal): Promise<void> {
  if (process.getuid?.() !== 0) throw new UserError("down stops root's processes: sudo ./kedge down", "root");
  const paths = statePaths(options.stateDir);
  const record = await readRecord(paths);
  if (record === undefined) {
    progress.say(`nothing of ours is in ${paths.stateDir}`);
    return;
  }
  await mkdir(paths.run.dir, { recursive: true, mode: 0o711 }); // gone after a reboot: it is on tmpfs
  await withLock(paths, async () => {
    const stop = async (name: ProcessName) => new ManagedProcess(name, paths).stop(STOP_GRACE_MS, signal);
    await progress.step("sensor and edge agent are stopped", async () => {
      await stop("sensor");
      await stop("edge");
    });
    await progress.step("containers are stopped", () => removePods(paths, signal));
    await progress.step("containerd and control plane are stopped", async () => {
      await stop("containerd");
      await stop("cloud");
    });
    await unmountBelow([paths.stateDir, paths.run.dir], signal);
    await removeCgroups(paths.cgroup).catch(() => undefined); // in use by somebody else, then: not ours to end
    if (options.purge)
      await progress.step("what they left is removed", async () => {
        await runCommand(["ip", "link", "delete", paths.network.bridge], signal);
        await removeOwnChains(record.foreignChains, signal);
        for (const path of ownPaths(paths)) await rm(path, { recursive: true, force: true });
        await rmdir(paths.stateDir).catch(() => undefined); // whatever else is in it is the user's
      });
  });
  if (options.purge) rmSync(paths.run.dir, { recursive: true, force: true });
}

/** Every pod of this containerd is ours: it is. Its CNI plugins take interfaces, addresses and rules away with it. */
async function removePods(paths: StatePaths, signal: AbortSignal): Promise<void> {
  const containerd = new ManagedProcess("containerd", paths);
  if ((await containerd.pid()) === undefined) {
    const recordPresent = await readdir(paths.run.containerdState).catch(() => []);
    if (recordPresent.length === 0) return;
    // It was killed, but its containers live on under their shims: only containerd knows how to end them.
    await containerd.start(["containerd", "--config", paths.containerd.config]);
    while (!(await accepts(paths.run.containerdSocket))) {
      await containerd.expectAlive();
      signal.throwIfAborted();
    }
  }
  using cri = new CriClient({ runtimeEndpoint: `unix://${paths.run.containerdSocket}` });
  const sandboxes = await cri.runtime.listPodSandboxes({}, signal);
  await Promise.all(
    sandboxes.map(async ({ id }) => {
      await cri.runtime.stopPodSandbox(id, signal);
      await cri.runtime.removePodSandbox(id, signal);
    }),
  );
}
