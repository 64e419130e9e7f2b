import { accessSync, constants } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

/** The release that tests are written against. */
export const KUBERNETES_VERSION = "1.36.3";

export interface KubernetesBinaries {
  readonly etcd: string;
  readonly apiserver: string;
  readonly controllerManager: string;
  readonly scheduler: string;
  readonly kubectl: string;
}

/**
 * Finds real Kubernetes: in `KUBEBUILDER_ASSETS` if that is set, else in our cache; etcd also in `PATH`.
 *
 * @returns the programs, or one sentence that says what is missing.
 */
export function findKubernetesBinaries(env: NodeJS.ProcessEnv = process.env): KubernetesBinaries | string {
  const dir = env["KUBEBUILDER_ASSETS"] ?? join(homedir(), ".cache/kedge/kubernetes", `bin-v${KUBERNETES_VERSION}`);
  const inDir = (program: string) => join(dir, program);
  const binaries: KubernetesBinaries = {
    etcd: [dir, ...(env["PATH"] ?? "").split(delimiter)].map((each) => join(each, "etcd")).find(executable) ?? "etcd",
    apiserver: inDir("kube-apiserver"),
    controllerManager: inDir("kube-controller-manager"),
    scheduler: inDir("kube-scheduler"),
    kubectl: inDir("kubectl"),
  };
  const needed = [binaries.etcd, binaries.apiserver, binaries.kubectl];
  const missing = needed.filter((path) => !executable(path));
  if (missing.length === 0) return binaries;
  return `no real Kubernetes: ${missing.join(", ")} missing; set KUBEBUILDER_ASSETS, or build version ${KUBERNETES_VERSION}`;
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
