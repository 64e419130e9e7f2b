import { join } from "node:path";
import { CodedError } from "@kedge/runtime";

/** A name that came from outside cannot be one element of a path of ours. */
export class UnsafeNameError extends CodedError<{ readonly code: "UnsafeName"; readonly name: string }> {}

const NAME_CHARS_MAX = 253;
const SAFE_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/**
 * One element of a path, made of what a pod says: its uid, a volume's or a container's name.
 *
 * @throws UnsafeNameError when it could lead elsewhere (`..`, a slash, nothing at all) or is too long.
 */
export function safeName(name: string): string {
  if (!SAFE_NAME.test(name) || name.includes("..") || name.length > NAME_CHARS_MAX)
    throw new UnsafeNameError(`${JSON.stringify(name.slice(0, 80))} cannot be used as a directory name`, {
      code: "UnsafeName",
      name,
    });
  return name;
}

/** `<rootDirectory>/pods`: what kubelets and tools expect of the layout below. */
export function podsDirectory(rootDirectory: string): string {
  return join(rootDirectory, "pods");
}

/** Where everything of one pod lives on this node. */
export function podDirectory(rootDirectory: string, podUid: string): string {
  return join(podsDirectory(rootDirectory), safeName(podUid));
}

/** The host's side of the containers' `/etc/hosts`. */
export function etcHostsPath(rootDirectory: string, podUid: string): string {
  return join(podDirectory(rootDirectory, podUid), "etc-hosts");
}

/** Holds the termination message files of one container. */
export function containerDirectory(rootDirectory: string, podUid: string, container: string): string {
  return join(podDirectory(rootDirectory, podUid), "containers", safeName(container));
}

/** `…/volumes/kubernetes.io~<plugin>/<volume>` */
export function volumeDirectory(rootDirectory: string, podUid: string, plugin: string, volume: string): string {
  return join(podDirectory(rootDirectory, podUid), "volumes", `kubernetes.io~${safeName(plugin)}`, safeName(volume));
}

/** Where the sub-path of the mount with this index is bound for its container. */
export function subPathTarget(
  rootDirectory: string,
  podUid: string,
  volume: string,
  container: string,
  index: number,
): string {
  const pod = podDirectory(rootDirectory, podUid);
  return join(pod, "volume-subpaths", safeName(volume), safeName(container), String(index));
}
