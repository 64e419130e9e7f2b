import { NAMESPACES, type ResourceType } from "@kedge/kube";
import type { KubeClient } from "@kedge/kube-client";
import { hasCode, systemClock } from "@kedge/runtime";
import { KeadmError } from "../keadm-error.ts";
import type { Session } from "../session.ts";
import { NAME } from "./cloudcore-rbac.ts";
import { connectCluster, KUBEEDGE_NAMESPACE } from "./connect-cluster.ts";
import { crdObjects } from "./manifest-files.ts";

export interface ResetCloudFlags {
  kubeConfig?: string;
  force: boolean;
  /** Also the definitions, and with them every device. */
  crds: boolean;
}

const GONE_MS = 60_000;
const POLL_MS = 250;
const RBAC = { group: "rbac.authorization.k8s.io", version: "v1" };
const CLUSTER_ROLES: ResourceType = { ...RBAC, kind: "ClusterRole", resource: "clusterroles", namespaced: false };
const CLUSTER_ROLE_BINDINGS: ResourceType = {
  ...RBAC,
  kind: "ClusterRoleBinding",
  resource: "clusterrolebindings",
  namespaced: false,
};
const ROLES: ResourceType = { ...RBAC, kind: "Role", resource: "roles", namespaced: true };
const ROLE_BINDINGS: ResourceType = { ...RBAC, kind: "RoleBinding", resource: "rolebindings", namespaced: true };
const CRDS: ResourceType = {
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  resource: "customresourcedefinitions",
  namespaced: false,
};

/** Removes what `keadm init` made: also its rights outside its namespace (FIX, U9). Twice is no error. */
export async function resetCloud(flags: ResetCloudFlags, session: Session): Promise<void> {
  const { signal } = session;
  await using kube = connectCluster(flags.kubeConfig);
  const what = `namespace ${KUBEEDGE_NAMESPACE} with cloudcore, the CA and all join tokens${flags.crds ? ", and all devices with their definitions" : ""}`;
  if (!flags.force) await session.confirm(`This removes ${what}; edge nodes must join anew afterwards. Go on?`);
  await session.step("roles are removed", async () => {
    await remove(kube, CLUSTER_ROLE_BINDINGS, { name: NAME }, signal);
    await remove(kube, CLUSTER_ROLES, { name: NAME }, signal);
    await remove(kube, ROLE_BINDINGS, { namespace: "kube-node-lease", name: NAME }, signal);
    await remove(kube, ROLES, { namespace: "kube-node-lease", name: NAME }, signal);
  });
  if (flags.crds)
    await session.step("definitions of devices are removed", async () => {
      for (const { metadata } of crdObjects()) await remove(kube, CRDS, { name: metadata?.name ?? "" }, signal);
    });
  await session.step(`namespace ${KUBEEDGE_NAMESPACE} is removed`, () => removeNamespace(kube, signal));
  if (!flags.crds) session.tell("Devices and their definitions stay: --crds removes them, too.");
  session.tell("Edge nodes stay as objects: kubectl delete node -l node-role.kubernetes.io/edge");
}

async function remove(
  kube: KubeClient,
  type: ResourceType,
  key: { namespace?: string; name: string },
  signal: AbortSignal,
): Promise<void> {
  try {
    await kube.delete(type, key, signal);
  } catch (error) {
    if (!hasCode(error, "NotFound")) throw error;
  }
}

async function removeNamespace(kube: KubeClient, signal: AbortSignal): Promise<void> {
  const key = { name: KUBEEDGE_NAMESPACE };
  await remove(kube, NAMESPACES, key, signal);
  const deadline = systemClock.monotonic() + GONE_MS;
  for (;;) {
    try {
      const { status } = await kube.get(NAMESPACES, key, signal);
      if (systemClock.monotonic() > deadline)
        throw new KeadmError(
          "NotReady",
          KUBEEDGE_NAMESPACE,
          `namespace ${KUBEEDGE_NAMESPACE} is not gone yet (${status?.conditions?.find((one) => one.status === "True")?.message ?? "no reason told"}): see kubectl get namespace ${KUBEEDGE_NAMESPACE} -o yaml`,
        );
    } catch (error) {
      if (hasCode(error, "NotFound")) return;
      throw error;
    }
    await systemClock.sleep(POLL_MS, signal);
  }
}
