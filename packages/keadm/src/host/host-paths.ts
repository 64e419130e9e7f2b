import { join, resolve } from "node:path";

/** Where KubeEdge keeps what belongs to a host, below a root that is `/` unless `--root-dir` says otherwise. */
export interface HostPaths {
  readonly root: string;
  readonly etc: string;
  readonly config: string;
  readonly ca: string;
  readonly certs: string;
  /** Static pods. */
  readonly manifests: string;
  /** Where a stock keadm leaves the join token, and where the agent looks first. */
  readonly bootstrap: string;
  readonly log: string;
  readonly agentLog: string;
  readonly lib: string;
  readonly database: string;
  /** Who the agent is, where no service manager looks after it. */
  readonly pidFile: string;
  readonly kubelet: string;
  /** Pod data of KubeEdge before 1.20. */
  readonly legacyKubelet: string;
  readonly podLogs: string;
  readonly unit: string;
  readonly backups: string;
  readonly lock: string;
  readonly upgradeReport: string;
}

export const ROOT_DIR_DEFAULT = "/";

/** @param given may be relative to the working folder. */
export function hostPaths(given: string): HostPaths {
  const root = resolve(given);
  const at = (path: string) => join(root, path);
  return {
    root,
    etc: at("/etc/kubeedge"),
    config: at("/etc/kubeedge/config/edgecore.yaml"),
    ca: at("/etc/kubeedge/ca"),
    certs: at("/etc/kubeedge/certs"),
    manifests: at("/etc/kubeedge/manifests"),
    bootstrap: at("/etc/kubeedge/bootstrap-edgecore.conf"),
    log: at("/var/log/kubeedge"),
    agentLog: at("/var/log/kubeedge/edgecore.log"),
    lib: at("/var/lib/kubeedge"),
    database: at("/var/lib/kubeedge/edgecore.db"),
    pidFile: at("/var/lib/kubeedge/edgecore.pid"),
    kubelet: at("/var/lib/kubelet"),
    legacyKubelet: at("/var/lib/edged"),
    podLogs: at("/var/log/pods"),
    unit: at("/etc/systemd/system/edgecore.service"),
    backups: at("/etc/kubeedge/backup"),
    lock: at("/etc/kubeedge/idempotency_record"),
    upgradeReport: at("/etc/kubeedge/upgrade_report.json"),
  };
}
