import { existsSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { EdgeCoreConfig } from "@kedge/api";
import { toError } from "@kedge/runtime";
import { findAgent } from "../host/agent.ts";
import { type HostPaths, hostPaths } from "../host/host-paths.ts";
import { removeCgroups } from "../host/remove-cgroups.ts";
import { removePods } from "../host/remove-pods.ts";
import { runScript } from "../host/run-command.ts";
import { expectNoStray } from "../host/stray-agent.ts";
import { unmountBelow } from "../host/unmount-below.ts";
import { KeadmError } from "../keadm-error.ts";
import { expectRoot, type Session } from "../session.ts";
import { readEdgeCoreFile } from "./edgecore-config.ts";

export interface ResetEdgeFlags {
  force: boolean;
  remoteRuntimeEndpoint?: string;
  preRun?: string;
  postRun?: string;
  rootDir: string;
}

const RUNTIME_ENDPOINT = "unix:///run/containerd/containerd.sock";

/** Makes this host what it was before `keadm join`. Doing it twice, or half-way before, is no error. */
export async function resetEdge(flags: ResetEdgeFlags, session: Session): Promise<void> {
  expectRoot("reset edge");
  const { signal } = session;
  const paths = hostPaths(flags.rootDir);
  const config = configIfReadable(paths);
  if (!flags.force)
    await session.confirm(
      `This stops edgecore, ends all pods of this host, and removes ${removedPaths(paths).join(", ")}. Go on?`,
    );
  if (flags.preRun !== undefined) await runScript("--pre-run", flags.preRun, signal);
  const kubelet = config?.modules.edged.tailoredKubeletConfig;
  const endpoint = flags.remoteRuntimeEndpoint ?? kubelet?.containerRuntimeEndpoint ?? RUNTIME_ENDPOINT;
  const agent = findAgent(paths);
  expectNoStray(paths.config, await agent.pid(signal));
  await session.step("edgecore is stopped", () => agent.remove(signal));
  // Without a configuration or a flag nobody has said that the pods of the host's runtime are an edge node's.
  if (config !== undefined || flags.remoteRuntimeEndpoint !== undefined)
    await session.step(`pods of ${endpoint} are removed`, () => removePods(endpoint, paths.podLogs, signal));
  else if (existsSync(paths.config))
    session.tell(
      `  ! ${paths.config} cannot be read, so pods stay: to remove them, too, name their container runtime with -p`,
    );
  await session.step("files are removed", async () => {
    await unmountBelow(removedPaths(paths), signal);
    for (const path of removedPaths(paths)) removeFolder(path);
    if (flags.rootDir !== "/") removeEmptyFolders(paths);
  });
  if (config !== undefined) removeCgroups(join(kubelet?.cgroupRoot ?? "/", "kubepods"));
  for (const path of placesElsewhere(config, paths))
    session.tell(`  ! ${path} was chosen in edgecore.yaml: remove it yourself`);
  const node = config?.modules.edged.hostnameOverride;
  // FIX (U9): KubeEdge leaves the Node object without a word.
  if (node !== undefined)
    session.tell(`The cluster still has the node ${node}. Where kubectl works: kubectl delete node ${node}`);
  if (flags.postRun !== undefined) await runScript("--post-run", flags.postRun, signal);
}

/** A folder that is a disk of its own stays, empty. @throws KeadmError `Busy` if something in it cannot be removed */
function removeFolder(folder: string): void {
  try {
    for (const name of existsSync(folder) ? readdirSync(folder) : [])
      rmSync(join(folder, name), { recursive: true, force: true });
  } catch (error) {
    throw new KeadmError(
      "Busy",
      folder,
      `${folder} cannot be emptied (${toError(error).message}): end what uses it, then try again`,
      {
        cause: error,
      },
    );
  }
  try {
    rmdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "EBUSY") throw error;
  }
}

function configIfReadable({ config }: HostPaths): EdgeCoreConfig | undefined {
  try {
    return readEdgeCoreFile(config).config;
  } catch {
    return undefined; // a join that failed half-way, or a second reset
  }
}

function removedPaths({ etc, log, lib, legacyKubelet, kubelet }: HostPaths): string[] {
  return [etc, log, lib, legacyKubelet, kubelet];
}

/** What the configuration put into places of its own: we cannot know what else is there. */
function placesElsewhere(config: EdgeCoreConfig | undefined, paths: HostPaths): string[] {
  if (config === undefined) return [];
  const { edged, edgeHub } = config.modules;
  const chosen = [config.database.dataSource, edged.rootDirectory, edgeHub.tlsCertFile, edgeHub.tlsPrivateKeyFile];
  const removed = removedPaths(paths);
  return chosen.filter(
    (path) => existsSync(path) && !removed.some((folder) => path === folder || path.startsWith(`${folder}/`)),
  );
}

/** Of a root of its own, so that nothing is left of it. */
function removeEmptyFolders({ root, podLogs }: HostPaths): void {
  const folders = ["/var/log/containers", "/etc", "/var/log", "/var/lib", "/var", "/"].map((folder) =>
    join(root, folder),
  );
  for (const folder of [podLogs, ...folders])
    try {
      rmdirSync(folder);
    } catch {
      // not empty, or not there
    }
}
