import { access, mkdir, realpath, rmdir, stat } from "node:fs/promises";
import type { LocalVolumeSource, NFSVolumeSource } from "@kedge/kube";
import { toError } from "@kedge/runtime";
import { bindMount, mountFilesystem, mountPointsBelow } from "./run-mount.ts";
import { VolumeError } from "./volume-error.ts";

export interface PersistentMount {
  readonly target: string;
  readonly readOnly: boolean;
  readonly mountOptions: readonly string[];
}

/**
 * Shows a directory of this host, which somebody prepared, to a pod.
 *
 * @param first done to the directory before anybody sees it, so that it is done again if it was cut off.
 * @throws VolumeError
 */
export async function mountLocal(
  { path }: LocalVolumeSource,
  { target, readOnly, mountOptions }: PersistentMount,
  first: (source: string) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  if (await isMounted(target)) return;
  const source = await realpath(path).catch((error: unknown) => {
    throw new VolumeError(
      `path "${path}" of the local volume does not exist: ${toError(error).message}`,
      { code: "VolumeSourceMissing" },
      { cause: error },
    );
  });
  if (!(await stat(source)).isDirectory())
    throw new VolumeError(
      `local volume ${path} is not a directory: format and mount a device yourself, or use volumeMode Block`,
      { code: "VolumeNotSupported" },
    );
  await first(source);
  await mkdir(target, { recursive: true, mode: 0o750 });
  try {
    await bindMount(source, target, signal, [...(readOnly ? ["ro"] : []), ...mountOptions]);
  } catch (error) {
    await rmdir(target).catch(() => undefined); // it may be half done, and mounted
    throw error;
  }
}

const NFS_HELPERS = ["/sbin/mount.nfs", "/usr/sbin/mount.nfs"];

/** As {@link mountLocal}, of a server. */
export async function mountNfs(
  { server, path }: NFSVolumeSource,
  { target, readOnly, mountOptions }: PersistentMount,
  signal: AbortSignal,
): Promise<void> {
  if (await isMounted(target)) return;
  if (!(await hasNfs()))
    throw new VolumeError(
      "this node cannot mount NFS: mount.nfs is missing (install the package nfs-common or nfs-utils)",
      { code: "VolumeNotSupported" },
    );
  await mkdir(target, { recursive: true, mode: 0o750 });
  const options = [...(readOnly ? ["ro"] : []), ...mountOptions];
  await mountFilesystem("nfs", `${server}:${path}`, target, options, signal);
}

async function hasNfs(): Promise<boolean> {
  const found = await Promise.allSettled(NFS_HELPERS.map((path) => access(path)));
  return found.some(({ status }) => status === "fulfilled");
}

async function isMounted(target: string): Promise<boolean> {
  return (await mountPointsBelow(target)).includes(target);
}
