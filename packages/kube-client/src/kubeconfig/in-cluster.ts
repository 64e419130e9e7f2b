import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { KubeConnection } from "./kube-connection.ts";
import { KubeconfigError } from "./kubeconfig-error.ts";
import { tokenFileCredentials } from "./token-file-credentials.ts";

/** Where a pod finds its service account. */
export const SERVICE_ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount";

/** The connection of a program that runs in a pod. @throws KubeconfigError when it does not. */
export function inClusterConnection(
  env: Readonly<Record<string, string | undefined>> = process.env,
  dir: string = SERVICE_ACCOUNT_DIR,
): KubeConnection {
  const host = env["KUBERNETES_SERVICE_HOST"];
  const port = env["KUBERNETES_SERVICE_PORT"];
  const token = join(dir, "token");
  if (host === undefined || port === undefined || !existsSync(token))
    throw new KubeconfigError(
      `not in a pod: KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT or ${token} is missing; name a kubeconfig`,
      { code: "Incomplete", file: token },
    );
  const namespace = join(dir, "namespace");
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    serverCa: readFileSync(join(dir, "ca.crt"), "utf8"),
    credentials: tokenFileCredentials(token),
    namespace: existsSync(namespace) ? readFileSync(namespace, "utf8").trim() : undefined,
  };
}
