import { connectKube, type KubeClient, loadKubeconfig } from "@kedge/kube-client";
import { hasCode } from "@kedge/runtime";
import { KeadmError } from "../keadm-error.ts";
import { RELEASE } from "../release.ts";

/** Where KubeEdge keeps what is its own; hard-wired there, too. */
export const KUBEEDGE_NAMESPACE = "kubeedge";

const KUBECONFIG_DEFAULT = "/root/.kube/config";

/**
 * @param given of `--kube-config`; without it `$KUBECONFIG`, and without that KubeEdge's default. Of several files in `$KUBECONFIG` the first counts.
 * @throws KeadmError `NotFound` if the file cannot be read; KubeconfigError for what is wrong in it
 */
export function connectCluster(given: string | undefined): KubeClient {
  const [ofEnvironment] = (process.env["KUBECONFIG"] ?? "").split(":").filter((file) => file !== "");
  const kubeconfig = given ?? ofEnvironment ?? KUBECONFIG_DEFAULT;
  try {
    return connectKube(loadKubeconfig(kubeconfig), { userAgent: `keadm/${RELEASE}` });
  } catch (error) {
    if (!hasCode(error, "Unreadable")) throw error;
    const from =
      given !== undefined
        ? "as --kube-config says"
        : ofEnvironment !== undefined
          ? "as $KUBECONFIG says"
          : "neither --kube-config nor $KUBECONFIG is given";
    throw new KeadmError(
      "NotFound",
      kubeconfig,
      `${error.message} (${from}): name the cluster's kubeconfig with --kube-config`,
      { cause: error },
    );
  }
}
