import type { ConfigMap, ServiceAccount } from "@kedge/kube";
import { ROOT_CA_CONFIG_MAP } from "../shared-informers.ts";

const DESCRIPTION = "kubernetes.io/description";
const ROOT_CA_DESCRIPTION =
  "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the " +
  "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

export function defaultServiceAccount(namespace: string): ServiceAccount {
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace, name: "default" } };
}

export function rootCaConfigMap(namespace: string, rootCaPem: string): ConfigMap {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace, name: ROOT_CA_CONFIG_MAP, annotations: { [DESCRIPTION]: ROOT_CA_DESCRIPTION } },
    data: { "ca.crt": rootCaPem },
  };
}

/** Somebody changed it, or the authority is a new one. */
export function rootCaDiffers(configMap: ConfigMap, rootCaPem: string): boolean {
  const { data = {} } = configMap;
  return data["ca.crt"] !== rootCaPem || Object.keys(data).length !== 1;
}
