import type { Command } from "commander";
import type { Session } from "../session.ts";

/** Adds some commands to keadm. A new group is a file beside this one and a line in `keadm-program.ts`. */
export type CommandGroup = (keadm: Command, session: Session) => void;

/** For flags that may be given several times. */
export function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

export const KUBE_CONFIG = [
  "--kube-config <file>",
  "kubeconfig of the cluster (default: $KUBECONFIG, or /root/.kube/config)",
] as const;
export const ROOT_DIR = [
  "--root-dir <dir>",
  "keep all files below this folder instead of /, and start edgecore without a service manager; to try things out",
  "/",
] as const;
export const RUNTIME_ENDPOINT = "unix:///run/containerd/containerd.sock";
