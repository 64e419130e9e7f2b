import { connectKube, type KubeClient, loadKubeconfig } from "@kedge/kube-client";
import { hasCode } from "@kedge/runtime";
import { KeadmError } from "../keadm-error.ts";
import { RELEASE } from "../release.ts";

/** Where KubeEdge keeps what is its own; hard-wired there, too. */
export const KUBEEDGE_NAMESPACE = "kubeedge";

/** @throws KeadmError `NotFound` if the file cannot be read; KubeconfigError for what is wrong in it */
export function connectCluster(kubeconfig: string): KubeClient {
  try {
    return connectKube(loadKubeconfig(kubeconfig), { userAgent: `keadm/${RELEASE}` });
  } catch (error) {
    if (!hasCode(error, "Unreadable")) throw error;
    throw new KeadmError("NotFound", kubeconfig, `${error.message}: name the cluster's kubeconfig with --kube-config`, {
      cause: error,
    });
  }
}
