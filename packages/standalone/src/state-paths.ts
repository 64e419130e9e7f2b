import { createHash } from "node:crypto";
import { join, resolve } from "node:path";

export const STATE_DIR_DEFAULT = "/var/lib/kedge";

/** Where everything of one `./kedge up` lives. What must not outlast a reboot is under `run`, on tmpfs. */
export interface StatePaths {
  readonly stateDir: string;
  readonly kubeconfig: string;
  /** What `up` was asked for and what it found on the host, so that `down` undoes exactly that. */
  readonly record: string;
  readonly cloud: { readonly dir: string; readonly config: string; readonly api: string };
  readonly edge: {
    readonly dir: string;
    readonly config: string;
    readonly kubelet: string;
    readonly manifests: string;
  };
  readonly containerd: {
    readonly dir: string;
    readonly config: string;
    readonly root: string;
    readonly cniConf: string;
  };
  readonly images: string;
  /** What pods keep: each claim gets a directory of its own in here. */
  readonly volumes: string;
  readonly log: { readonly dir: string; readonly pods: string };
  /** The pods' own network on this host; apart for each state directory. */
  readonly network: { readonly bridge: string; readonly subnet: string };
  /** The cgroup below which this node's pods live, in every hierarchy. */
  readonly cgroup: string;
  readonly run: { readonly dir: string; readonly containerdSocket: string; readonly containerdState: string };
}

export function statePaths(given: string): StatePaths {
  const stateDir = resolve(given);
  const at = (...parts: string[]) => join(stateDir, ...parts);
  // Unix socket paths hold at most 107 bytes, and a state directory may be deep: so `run` is not below it.
  const digest = createHash("sha256").update(stateDir).digest();
  const own = stateDir === STATE_DIR_DEFAULT;
  const run = own ? "/run/kedge" : `/run/kedge-${digest.toString("hex", 0, 4)}`;
  return {
    stateDir,
    kubeconfig: at("admin.kubeconfig"),
    record: at("up.json"),
    cloud: { dir: at("cloud"), config: at("cloud", "cloudcore.yaml"), api: at("cloud", "api") },
    edge: {
      dir: at("edge"),
      config: at("edge", "edgecore.yaml"),
      kubelet: at("edge", "kubelet"),
      manifests: at("edge", "manifests"),
    },
    containerd: {
      dir: at("containerd"),
      config: at("containerd", "config.toml"),
      root: at("containerd", "root"),
      cniConf: at("containerd", "net.d"),
    },
    images: at("images"),
    volumes: at("volumes"),
    log: { dir: at("log"), pods: at("log", "pods") },
    network: {
      bridge: own ? "kedge0" : `kedge-${digest.toString("hex", 0, 4)}`, // an interface name has at most 15 characters
      subnet: `10.214.${own ? 0 : 1 + ((digest[4] ?? 0) % 254)}.0/24`,
    },
    cgroup: own ? "/kedge" : `/kedge-${digest.toString("hex", 0, 4)}`,
    run: { dir: run, containerdSocket: join(run, "containerd.sock"), containerdState: join(run, "containerd") },
  };
}

/** What a command needs to be about the same state directory, with a space before it. */
export function stateDirFlag({ stateDir }: { readonly stateDir: string }): string {
  return resolve(stateDir) === STATE_DIR_DEFAULT ? "" : ` --state-dir ${stateDir}`;
}

/** All that `up` puts into the state directory; nothing else in there is ours to remove. */
export function ownPaths({ kubeconfig, record, cloud, edge, containerd, images, volumes, log }: StatePaths): string[] {
  return [cloud.dir, edge.dir, containerd.dir, images, volumes, log.dir, kubeconfig, record];
}
